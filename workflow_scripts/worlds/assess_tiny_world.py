"""Assess the tiny world: the reference's samples, and the reward model against the rule.

Inputs: samples (JSONL, scored groups of the reference), reference and reward (their manifests).
Outputs: quality (JSON). Spec: reward {max_tokens, batch_size, precision}, prompt_format.
"""

import numpy as np

from prefgrid.data import groups
from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.judges import scalar
from prefgrid.models import loading
from prefgrid.tinyworld import language, quality

# Sampled responses whose next-token entropy is computed; more change the third digit.
ENTROPY_RESPONSES = 2000


def main(job: jobs.Job) -> None:
    rows = reading.read_jsonl(job.inputs["samples"], records.ScoredGroup, key="group")
    samples = groups.frame(rows)
    asked, responses = groups.texts(rows)
    dialogues = list(zip(asked, responses, strict=True))
    tokens = [response["tokens"] for row in rows for response in row["responses"]]
    rule = np.array([language.score(*dialogue) for dialogue in dialogues])

    device = devices.device()
    folder = job.inputs["reference"].parent
    reference = loading.load_causal_lm(folder).to(device).eval()
    thinned = np.linspace(0, len(samples) - 1, min(len(samples), ENTROPY_RESPONSES)).astype(int)
    judge = scalar.load(
        job.inputs["reward"].parent,
        job.spec["reward"],
        prompt_format=job.spec["prompt_format"],
        device=device,
    )

    def score(dialogues: list[quality.Dialogue]) -> np.ndarray:
        return judge.score(*map(list, zip(*dialogues, strict=True)))

    result = {
        "reference": {
            **quality.describe_texts(dialogues),
            "token_entropy_nats": quality.token_entropy_nats(
                reference,
                loading.load_tokenizer(folder),
                [asked[index] for index in thinned],
                [tokens[index] for index in thinned],
                job.spec["prompt_format"],
            ),
            "end_reached_share": float((samples["finish"] == "stop").mean()),
            "reward_mean": float(samples["reward"].mean()),
            "reward_sd": float(samples["reward"].std(ddof=0)),
        },
        "reward_model": quality.judge_reward_model(score, [row["prompt"] for row in rows], seed=0),
        "reward_model_on_samples": quality.sampled_agreement(
            samples["reward"].to_numpy(), rule, list(samples["prompt_id"])
        ),
    }
    for part, values in result.items():
        for name, value in values.items():
            store.log(f"{part}.{name}: {value:.4g}")
    store.write_json(job.outputs["quality"], result)


if __name__ == "__main__":
    jobs.run(main, inputs=("samples", "reference", "reward"), outputs=("quality",))
