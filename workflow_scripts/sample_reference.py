"""Sample and score the reference on the evaluation prompts, with the noise of the β scans.

Inputs: prompts (evaluation pool), reference, reward (manifests).
Outputs: samples (parquet: prompt_id, sample, reward, length_tokens, finish, response, tokens);
logps (parquet: prompt_id, sample, logp_sum in nats, tokens), the reference's log-probabilities of
the samples in held-out pairs, once for all policies.
Spec: evaluation {prompts, max_new_tokens, temperature, batch_rows, reference_samples,
index_pairs_per_prompt, seed}, reward, prompt_format, precision, batch_size (prompts of a
log-probability batch).
A rerun after a kill continues with the batches that are not sampled or scored yet.
"""

import numpy as np
import pandas
import torch

from prefgrid import chat, devices, jobs, reading, records, store
from prefgrid.evaluation.held_out import held_out_pairs
from prefgrid.evaluation.noise import evaluation_uniforms
from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.models import loading
from prefgrid.sampling.request import DecodingOptions, stop_ids
from prefgrid.sampling.transformers_backend import sample_responses


def main(job: jobs.Job) -> None:
    spec, evaluation = job.spec, job.spec["evaluation"]
    folder = job.inputs["reference"].parent
    tokenizer = loading.load_tokenizer(folder)
    model = loading.load_causal_lm(folder, spec["precision"]).to(devices.device())
    # Before the sampling, so that a reward model that cannot score is found at once.
    judge = ScalarRewardModel(
        job.inputs["reward"].parent,
        **spec["reward"],
        prompt_format=spec["prompt_format"],
        device=devices.device(),
    )
    prompts = reading.read_jsonl(job.inputs["prompts"], records.Prompt, key="prompt_id")
    prompts = prompts[: evaluation["prompts"]]
    samples = evaluation["reference_samples"]
    uniforms = evaluation_uniforms(
        evaluation["seed"],
        [row["prompt_id"] for row in prompts],
        samples,
        evaluation["max_new_tokens"],
    )
    options = DecodingOptions(
        eos_ids=stop_ids(tokenizer, model),
        pad_id=loading.pad_id(tokenizer),
        max_new_tokens=evaluation["max_new_tokens"],
        temperature=evaluation["temperature"],
        batch_rows=evaluation["batch_rows"],
    )
    tokens = [
        chat.render_prompt(tokenizer, row["prompt"], spec["prompt_format"]) for row in prompts
    ]
    with devices.explained_out_of_memory("lower evaluation.batch_rows"):
        sampled = sample_responses(model, tokens, uniforms, options, job.part)
    texts = [chat.decode_response(tokenizer, response.tokens) for response in sampled]
    rows = [(row["prompt_id"], row["prompt"], k) for row in prompts for k in range(samples)]

    def score(part: slice) -> list[float]:
        return judge.score([prompt for _, prompt, _ in rows[part]], texts[part]).tolist()

    rewards = []
    for start in range(0, len(rows), options.batch_rows):
        part = slice(start, start + options.batch_rows)
        rewards += job.part(f"rewards-{start}", lambda part=part: score(part))
    frame = pandas.DataFrame(
        {
            "prompt_id": [prompt_id for prompt_id, _, _ in rows],
            "sample": [k for _, _, k in rows],
            "reward": np.array(rewards, dtype=np.float32),
            "length_tokens": [len(response.tokens) for response in sampled],
            "finish": [response.finish for response in sampled],
            "response": texts,
            "tokens": [response.tokens for response in sampled],
        }
    )
    pairs = held_out_pairs(
        frame,
        dict(zip((row["prompt_id"] for row in prompts), tokens, strict=True)),
        evaluation["index_pairs_per_prompt"],
    )

    def log_probabilities() -> list[list[list[float]]]:
        found = pairs.logps(model, pad_id=options.pad_id, batch_size=spec["batch_size"])
        return [table.tolist() for table in found]

    with devices.explained_out_of_memory("lower logp_batch_size"):
        logp_sums, lengths = job.part("logps", log_probabilities)
    store.write_parquet(job.outputs["samples"], frame)
    store.write_parquet(
        job.outputs["logps"],
        pairs.logp_frame(torch.tensor(logp_sums), torch.tensor(lengths)),
    )


if __name__ == "__main__":
    jobs.run(main, inputs=("prompts", "reference", "reward"), outputs=("samples", "logps"))
