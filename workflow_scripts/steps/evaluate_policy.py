"""Evaluate one policy: rewards and KL over the β scan, and the calibration of its index.

Inputs: policy, reference, judge (manifests), adapters (manifests of the policies stacked on the
reference, oldest first; may be none), link, preferences (for the reward scale; absent: that of the
held-out pairs), prompts (JSONL, a pool), reference_rewards (JSONL, scored groups of the reference's
samples), reference_logps (of their held-out pairs; absent where the policy's weights have another
precision: its base is then scored here).
Outputs: evaluation (a row a β), samples (a row a response), indices (a row a held-out pair).
Spec: columns ([name, value] of what names the policy in the table), truth ({shift, temperature} of the
true link, or null), evaluation {prompts, samples, max_new_tokens, temperature, beta_grid, batch_rows,
index_pairs_per_prompt, seed}, judge (dotted module), options (of the judge), prompt_format, precision,
batch_size (prompts of a log-probability batch).
"""

import importlib
from pathlib import Path
from typing import Any

import torch

from prefgrid.data.preferences import reward_scale
from prefgrid.evaluation.beta_scan import scan, summarize
from prefgrid.evaluation.held_out import HeldOutPairs, held_out_pairs
from prefgrid.evaluation.indices import held_out_indices
from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.logprobs.agreement import check_log_probs
from prefgrid.models import loading
from prefgrid.sampling.request import DecodingOptions, stop_ids


def main(job: jobs.Job) -> None:
    spec, evaluation = job.spec, job.spec["evaluation"]
    models = {name: job.inputs[name] for name in ("policy", "reference", "judge")}
    folders = {name: model and model.parent for name, model in models.items()}
    tokenizer = loading.load_tokenizer(folders["reference"])
    policy, beside = loading.load_iterate(
        folders["reference"], job.folders("adapters"), folders["policy"], spec["precision"]
    )
    policy, beside = policy.to(devices.device()), beside and beside.to(devices.device())
    judge = importlib.import_module(spec["judge"]).load(
        folders["judge"],
        spec["options"],
        prompt_format=spec["prompt_format"],
        device=devices.device(),
    )
    prompts = reading.read_jsonl(job.inputs["prompts"], records.Prompt, key="prompt_id")
    link = reading.read_json(job.inputs["link"], records.Link)
    options = DecodingOptions(
        eos_ids=stop_ids(tokenizer, policy, spec["prompt_format"]),
        pad_id=loading.pad_id(tokenizer),
        max_new_tokens=evaluation["max_new_tokens"],
        temperature=evaluation["temperature"],
        batch_rows=evaluation["batch_rows"],
    )
    pairs = held_out_pairs(
        reading.read_jsonl(job.inputs["reference_rewards"], records.ScoredGroup, key="group"),
        evaluation["index_pairs_per_prompt"],
    )
    check_log_probs(policy, [*pairs.prompts[0], *pairs.responses[0][0]], options.pad_id)
    with devices.explained_out_of_memory("lower evaluation.batch_rows"):
        samples = scan(
            policy,
            tokenizer,
            judge,
            prompts[: evaluation["prompts"]],
            reference=beside,
            betas=evaluation["beta_grid"],
            samples=evaluation["samples"],
            sign=link["sign"],
            seed=evaluation["seed"],
            prompt_format=spec["prompt_format"],
            options=options,
        )
    ids = {"model_id": "policy", "ref_model_id": "reference", "reward_model_id": "judge"}
    # What KL is to: the last policy of the stack, if there is one.
    folders["reference"] = (job.folders("adapters") or [folders["reference"]])[-1]
    named = {column: str(folders[name] or spec["judge"]) for column, name in ids.items()}
    table = summarize(samples, named | dict(spec["columns"]))
    with devices.explained_out_of_memory("lower logp_batch_size"):
        batches = {"pad_id": options.pad_id, "batch_size": spec["batch_size"]}
        policy_logps, _ = pairs.logps(policy, **batches)
        reference_logps = _reference_logps(
            policy, beside, pairs, job.inputs["reference_logps"], **batches
        )
    indices = held_out_indices(
        pairs,
        policy_logps,
        reference_logps,
        reward_scale=_reward_scale(job.inputs["preferences"], pairs),
        link=link,
        truth=spec["truth"],
    )
    store.write_parquet(job.outputs["samples"], samples)
    store.write_parquet(job.outputs["indices"], indices)
    store.write_csv(job.outputs["evaluation"], table)
    for row in table.itertuples():
        store.log(f"beta {row.beta:g}: reward {row.avg_reward:.3f}, KL {row.kl_div:.3f} nats")


def _reward_scale(preferences: Path | None, pairs: HeldOutPairs) -> float:
    """What made a reward difference the utility that the training pairs were labelled by."""
    if preferences is None:
        return reward_scale(pairs.rewards[:, 0::2].ravel(), pairs.rewards[:, 1::2].ravel())
    # All its rows have the same scale.
    first = next(reading.iterate_jsonl(preferences, records.Preference), None)
    if first is None:
        raise store.DataError(f"{preferences}: holds no rows")
    return first["reward_scale"]


def _reference_logps(
    policy: Any, beside: Any | None, pairs: HeldOutPairs, table: Path | None, **batches: int
) -> torch.Tensor:
    """float32 [prompts, 2·pairs] nats of the reference: `table`'s, or without one those of the model
    beside the policy, or below its adapter."""
    if table is not None:
        return pairs.looked_up(reading.read_table(table))
    if beside is not None:
        return pairs.logps(beside, **batches)[0]
    with policy.disable_adapter():
        return pairs.logps(policy, **batches)[0]


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=(
            "policy",
            "link",
            "preferences?",
            "prompts",
            "reference_rewards",
            "reference_logps?",
            "reference",
            "adapters**",
            "judge?",
        ),
        outputs=("evaluation", "samples", "indices"),
    )
