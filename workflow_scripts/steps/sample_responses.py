"""Sample K responses to each prompt of one shard.

Inputs: prompts (JSONL, a pool), reference (manifest.json), adapters (manifests of the policies
stacked on it, oldest first; may be none). Outputs: responses (JSONL, a row a group).
Spec: prompts {pool (how many of the pool's first may be asked; null: all), asked_by (the config's key),
order_seed (null: the pool's order), groups (null: all of these), shard, shards}, samples (K), noise {purpose, seed},
decoding {backend, max_new_tokens, and, unless their defaults are meant, temperature, top_p, batch_rows,
log_probs (whether responses come with those of their tokens)}, prompt_format, precision.
A rerun after a kill continues with the batches that are not sampled yet.
"""

import importlib

from prefgrid import chat, seeding
from prefgrid.data import groups, pools, responses
from prefgrid.files import reading, records
from prefgrid.job import devices, jobs
from prefgrid.models import loading
from prefgrid.sampling.request import DecodingOptions, stop_ids
from prefgrid.sampling.writing import write_groups


def main(job: jobs.Job) -> None:
    spec, asked = job.spec, job.spec["prompts"]
    folder = job.inputs["reference"].parent
    tokenizer = loading.load_tokenizer(folder)
    pool = reading.read_jsonl(job.inputs["prompts"], records.Prompt, key="prompt_id")
    pools.check_size(pool, max(asked["pool"] or 0, asked["groups"] or 0), asked["asked_by"])
    pool = pool[: asked["pool"]]
    count = len(pool) if asked["groups"] is None else asked["groups"]
    if asked["order_seed"] is not None:
        pool = responses.seed_prompts(pool, asked["order_seed"], count)
    numbers = responses.shard_range(count, asked["shards"], asked["shard"])
    prompts = [pool[number] for number in numbers]
    tokens = [
        chat.render_prompt(tokenizer, row["prompt"], spec["prompt_format"]) for row in prompts
    ]
    samples, decoding = spec["samples"], dict(spec["decoding"])
    backend = importlib.import_module(decoding.pop("backend"))
    model = backend.load(folder, job.folders("adapters"), spec["precision"])
    options = DecodingOptions(
        eos_ids=stop_ids(tokenizer, model, spec["prompt_format"]),
        pad_id=loading.pad_id(tokenizer),
        **decoding,
    )
    with devices.explained_out_of_memory("lower evaluation.batch_rows or generation.batch_rows"):
        uniforms = seeding.uniforms(
            spec["noise"]["seed"],
            spec["noise"]["purpose"],
            [(row["prompt_id"], k) for row in prompts for k in range(samples)],
            decoding["max_new_tokens"],
        )
        sampled = backend.sample_responses(model, tokens, uniforms, options, job.part)
    if len(sampled) != len(uniforms):
        raise ValueError(f"{backend.__name__} gave {len(sampled)} responses for {len(uniforms)}")
    if options.log_probs:
        groups.check_log_probs(sampled, backend.__name__)
    write_groups(job.outputs["responses"], tokenizer, numbers, prompts, tokens, sampled)


if __name__ == "__main__":
    jobs.run(main, inputs=("prompts", "reference", "adapters**"), outputs=("responses",))
