"""Sample a policy on held-out prompts, and measure on each response how far it is from its references.

The base is the reference model, the previous policy what the policy started from. With every response stand
`entropy_nats` and `kl_nats` {base, previous}: see `sampling.measured`. Of the base itself `kl_nats` is {}, and an
average of policies has no previous one. In iteration 1 the base is the previous policy.
Inputs: prompts (JSONL, a pool), reference (manifest.json), adapters (manifests of the policies before it, oldest
first; may be none), policy (manifest.json; absent: the base itself). Outputs: samples (JSONL, a row a group).
Spec: prompts (how many of the pool's first), asked_by (the config's key), samples (a prompt), noise {purpose,
seed}, decoding {max_new_tokens, temperature, batch_rows}, prompt_format, precision.
A rerun after a kill continues with the batches that are not sampled yet.
"""

from pathlib import Path
from typing import Any

from prefgrid import chat, seeding
from prefgrid.data import pools
from prefgrid.files import reading, records
from prefgrid.job import devices, jobs
from prefgrid.models import loading
from prefgrid.sampling.measured import References, sample_measured
from prefgrid.sampling.request import DecodingOptions, stop_ids
from prefgrid.sampling.writing import write_groups


def main(job: jobs.Job) -> None:
    spec, samples = job.spec, job.spec["samples"]
    folder, policy = job.inputs["reference"].parent, job.inputs["policy"]
    tokenizer = loading.load_tokenizer(folder)
    pool = reading.read_jsonl(job.inputs["prompts"], records.Prompt, key="prompt_id")
    pools.check_size(pool, spec["prompts"], spec["asked_by"])
    prompts = pool[: spec["prompts"]]
    tokens = [
        chat.render_prompt(tokenizer, row["prompt"], spec["prompt_format"]) for row in prompts
    ]
    model, references = _models(
        folder, job.folders("adapters"), policy and policy.parent, spec["precision"]
    )
    options = DecodingOptions(
        eos_ids=stop_ids(tokenizer, model, spec["prompt_format"]),
        pad_id=loading.pad_id(tokenizer),
        **spec["decoding"],
    )
    uniforms = seeding.uniforms(
        spec["noise"]["seed"],
        spec["noise"]["purpose"],
        [(row["prompt_id"], k) for row in prompts for k in range(samples)],
        options.max_new_tokens,
    )
    with devices.explained_out_of_memory("lower evaluation.batch_rows"):
        sampled = sample_measured(model, tokens, uniforms, options, references, job.part)
    write_groups(job.outputs["samples"], tokenizer, range(len(prompts)), prompts, tokens, sampled)


def _models(
    reference: Path, adapters: list[Path], policy: Path | None, precision: str
) -> tuple[Any, References]:
    """The policy and its references, on the job's device."""
    alone = policy is None or loading.is_average(policy)
    if alone and adapters:
        raise ValueError(
            f"{policy or reference}: goes on no other policies, but adapters names "
            f"{', '.join(map(str, adapters))}; allowed: no adapters for the base and for an average"
        )
    if policy is None:
        return loading.load_causal_lm(reference, precision).to(devices.device()), {}
    model, previous = loading.load_iterate(reference, adapters, policy, precision)
    model, previous = model.to(devices.device()), previous and previous.to(devices.device())
    base = previous
    if adapters:
        base = loading.load_causal_lm(reference, precision).to(devices.device())
    return model, {"base": base} if alone else {"base": base, "previous": previous}


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("prompts", "reference", "adapters**", "policy?"),
        outputs=("samples",),
    )
