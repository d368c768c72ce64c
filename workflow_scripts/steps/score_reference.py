"""Score the reference's samples, and compute its log-probabilities of the held-out pairs.

Inputs: responses (of the reference), prompts (evaluation pool), reference, reward (manifests).
Outputs: samples (parquet: the responses' rows plus reward); logps (parquet: prompt_id, sample,
logp_sum in nats, tokens), the reference's log-probabilities of the samples in held-out pairs, once
for all policies.
Spec: evaluation {prompts, batch_rows, index_pairs_per_prompt}, reward, prompt_format, precision,
batch_size (prompts of a log-probability batch).
A rerun after a kill continues with the batches that are not scored yet.
"""

import numpy as np
import torch

from prefgrid import chat
from prefgrid.evaluation.held_out import held_out_pairs
from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.models import loading


def main(job: jobs.Job) -> None:
    spec, evaluation = job.spec, job.spec["evaluation"]
    folder = job.inputs["reference"].parent
    tokenizer = loading.load_tokenizer(folder)
    model = loading.load_causal_lm(folder, spec["precision"]).to(devices.device()).eval()
    judge = ScalarRewardModel(
        job.inputs["reward"].parent,
        **spec["reward"],
        prompt_format=spec["prompt_format"],
        device=devices.device(),
    )
    rows = reading.read_jsonl(job.inputs["prompts"], records.Prompt, key="prompt_id")
    prompts = {row["prompt_id"]: row["prompt"] for row in rows[: evaluation["prompts"]]}
    frame = reading.read_parquet(
        job.inputs["responses"], records.ReferenceResponse, key=("prompt_id", "sample")
    )
    asked = [prompts[prompt_id] for prompt_id in frame["prompt_id"]]
    responses = frame["response"].tolist()

    def score(part: slice) -> list[float]:
        return judge.score(asked[part], responses[part]).tolist()

    rewards = []
    for start in range(0, len(frame), evaluation["batch_rows"]):
        part = slice(start, start + evaluation["batch_rows"])
        rewards += job.part(f"rewards-{start}", lambda part=part: score(part))
    frame.insert(2, "reward", np.array(rewards, dtype=np.float32))
    pairs = held_out_pairs(
        frame,
        {
            prompt_id: chat.render_prompt(tokenizer, prompt, spec["prompt_format"])
            for prompt_id, prompt in prompts.items()
        },
        evaluation["index_pairs_per_prompt"],
    )

    def log_probabilities() -> list[list[list[float]]]:
        found = pairs.logps(model, pad_id=loading.pad_id(tokenizer), batch_size=spec["batch_size"])
        return [table.tolist() for table in found]

    with devices.explained_out_of_memory("lower logp_batch_size"):
        logp_sums, lengths = job.part("logps", log_probabilities)
    store.write_parquet(job.outputs["samples"], frame)
    store.write_parquet(
        job.outputs["logps"], pairs.logp_frame(torch.tensor(logp_sums), torch.tensor(lengths))
    )


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("responses", "prompts", "reference", "reward"),
        outputs=("samples", "logps"),
    )
