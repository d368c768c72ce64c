"""Sample and score the reference on the evaluation prompts.

Inputs: prompts (evaluation pool), reference, reward (manifests).
Outputs: samples (parquet: prompt_id, sample, reward, length_tokens, finish, response, tokens).
Spec: evaluation {prompts, max_new_tokens, temperature, batch_rows, reference_samples, seed},
reward, prompt_format, precision.
"""

import pandas

from prefgrid import chat, devices, jobs, seeding, store
from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.models import loading
from prefgrid.sampling.request import DecodingOptions
from prefgrid.sampling.transformers_backend import sample_responses


def main(job: jobs.Job) -> None:
    spec, evaluation = job.spec, job.spec["evaluation"]
    folder = job.inputs["reference"].parent
    tokenizer = loading.load_tokenizer(folder)
    model = loading.load_causal_lm(folder, spec["precision"]).to(devices.device())
    prompts = store.read_jsonl(job.inputs["prompts"], required=("prompt_id", "prompt"))
    prompts = prompts[: evaluation["prompts"]]
    keys = [
        (row["prompt_id"], k) for row in prompts for k in range(evaluation["reference_samples"])
    ]
    sampled = sample_responses(
        model,
        [chat.render_prompt(tokenizer, row["prompt"], spec["prompt_format"]) for row in prompts],
        seeding.uniforms(
            evaluation["seed"], "reference samples", keys, evaluation["max_new_tokens"]
        ),
        DecodingOptions(
            eos_ids=(chat.eos_id(tokenizer),),
            pad_id=loading.pad_id(tokenizer),
            max_new_tokens=evaluation["max_new_tokens"],
            temperature=evaluation["temperature"],
            batch_rows=evaluation["batch_rows"],
        ),
    )
    texts = [chat.decode_response(tokenizer, response.tokens) for response in sampled]
    judge = ScalarRewardModel(
        job.inputs["reward"].parent,
        **spec["reward"],
        prompt_format=spec["prompt_format"],
        device=devices.device(),
    )
    text_of = {row["prompt_id"]: row["prompt"] for row in prompts}
    frame = pandas.DataFrame(
        {
            "prompt_id": [prompt_id for prompt_id, _ in keys],
            "sample": [k for _, k in keys],
            "reward": judge.score([text_of[prompt_id] for prompt_id, _ in keys], texts).rewards,
            "length_tokens": [len(response.tokens) for response in sampled],
            "finish": [response.finish for response in sampled],
            "response": texts,
            "tokens": [response.tokens for response in sampled],
        }
    )
    store.write_parquet(job.outputs["samples"], frame)


if __name__ == "__main__":
    jobs.run(main, inputs=("prompts", "reference", "reward"), outputs=("samples",))
