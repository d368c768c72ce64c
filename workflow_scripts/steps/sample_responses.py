"""Sample two responses to each prompt of one shard of a seed.

Inputs: prompts (training pool), reference (manifest.json). Outputs: responses (JSONL).
Spec: seed, shard, pairs (of the whole seed), generation {max_new_tokens, temperature, top_p,
batch_rows, shards}, prompt_format, precision.
A rerun after a kill continues with the batches that are not sampled yet.
"""

from prefgrid import chat, seeding
from prefgrid.data import responses
from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.models import loading
from prefgrid.sampling.request import DecodingOptions, stop_ids
from prefgrid.sampling.transformers_backend import sample_responses


def main(job: jobs.Job) -> None:
    spec, generation = job.spec, job.spec["generation"]
    folder = job.inputs["reference"].parent
    tokenizer = loading.load_tokenizer(folder)
    model = loading.load_causal_lm(folder, spec["precision"]).to(devices.device())
    pool = reading.read_jsonl(job.inputs["prompts"], records.Prompt, key="prompt_id")
    order = responses.seed_prompts(pool, spec["seed"], spec["pairs"])
    pairs = responses.shard_range(spec["pairs"], generation["shards"], spec["shard"])
    prompts = [order[pair] for pair in pairs]
    tokens = [
        chat.render_prompt(tokenizer, row["prompt"], spec["prompt_format"]) for row in prompts
    ]
    uniforms = seeding.uniforms(
        spec["seed"],
        "responses",
        [(row["prompt_id"], k) for row in prompts for k in range(2)],
        generation["max_new_tokens"],
    )
    options = DecodingOptions(
        eos_ids=stop_ids(tokenizer, model),
        pad_id=loading.pad_id(tokenizer),
        max_new_tokens=generation["max_new_tokens"],
        temperature=generation["temperature"],
        top_p=generation["top_p"],
        batch_rows=generation["batch_rows"],
    )
    with devices.explained_out_of_memory("lower generation.batch_rows"):
        sampled = sample_responses(model, tokens, uniforms, options, job.part)
    texts = [chat.decode_response(tokenizer, response.tokens) for response in sampled]
    both = list(zip(texts, sampled, strict=True))
    store.write_jsonl(
        job.outputs["responses"],
        (
            responses.response_row(pair, prompt, prompt_tokens, both[2 * i : 2 * i + 2])
            for i, (pair, prompt, prompt_tokens) in enumerate(
                zip(pairs, prompts, tokens, strict=True)
            )
        ),
    )
    cut = sum(response.finish == "length" for response in sampled)
    store.log(f"{len(sampled)} responses; {cut} reached the limit of tokens")


if __name__ == "__main__":
    jobs.run(main, inputs=("prompts", "reference"), outputs=("responses",))
