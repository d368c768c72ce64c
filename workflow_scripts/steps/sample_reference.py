"""Sample the reference on the evaluation prompts, with the noise of the β scans.

Inputs: prompts (evaluation pool), reference (manifest). Outputs: responses (parquet: prompt_id,
sample, length_tokens, finish, response, tokens).
Spec: evaluation {prompts, max_new_tokens, temperature, batch_rows, reference_samples, seed},
prompt_format, precision.
A rerun after a kill continues with the batches that are not sampled yet.
"""

import pandas

from prefgrid import chat
from prefgrid.evaluation.noise import evaluation_uniforms
from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.models import loading
from prefgrid.sampling.request import DecodingOptions, stop_ids
from prefgrid.sampling.transformers_backend import sample_responses


def main(job: jobs.Job) -> None:
    spec, evaluation = job.spec, job.spec["evaluation"]
    folder = job.inputs["reference"].parent
    tokenizer = loading.load_tokenizer(folder)
    model = loading.load_causal_lm(folder, spec["precision"]).to(devices.device())
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
    frame = pandas.DataFrame(
        {
            "prompt_id": [row["prompt_id"] for row in prompts for _ in range(samples)],
            "sample": list(range(samples)) * len(prompts),
            "length_tokens": [len(response.tokens) for response in sampled],
            "finish": [response.finish for response in sampled],
            "response": [chat.decode_response(tokenizer, one.tokens) for one in sampled],
            "tokens": [response.tokens for response in sampled],
        }
    )
    store.write_parquet(job.outputs["responses"], frame)


if __name__ == "__main__":
    jobs.run(main, inputs=("prompts", "reference"), outputs=("responses",))
