"""Evaluate one policy: rewards and KL over the β scan, and the calibration of its index.

Inputs: policy, reference, reward (manifests), link, preferences (for the reward scale), prompts
(evaluation pool), reference_samples, reference_logps (of their held-out pairs; absent where the
policy's weights have another precision: its base is then scored here).
Outputs: evaluation (a row a β), samples (a row a response), indices (a row a held-out pair).
Spec: method, seed, shift, n, link_temperature, evaluation {prompts, samples, max_new_tokens,
temperature, beta_grid, batch_rows, index_pairs_per_prompt, seed}, reward, prompt_format,
precision, batch_size (prompts of a log-probability batch).
"""

from pathlib import Path
from typing import Any

import torch

from prefgrid import chat
from prefgrid.evaluation.beta_scan import scan, summarize
from prefgrid.evaluation.held_out import HeldOutPairs, held_out_pairs
from prefgrid.evaluation.indices import held_out_indices
from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.models import loading
from prefgrid.sampling.request import DecodingOptions, stop_ids


def main(job: jobs.Job) -> None:
    spec, evaluation = job.spec, job.spec["evaluation"]
    folders = {name: job.inputs[name].parent for name in ("policy", "reference", "reward")}
    tokenizer = loading.load_tokenizer(folders["reference"])
    reference = loading.load_causal_lm(folders["reference"], spec["precision"])
    policy = loading.load_adapter(reference, folders["policy"]).to(devices.device()).eval()
    judge = ScalarRewardModel(
        folders["reward"],
        **spec["reward"],
        prompt_format=spec["prompt_format"],
        device=devices.device(),
    )
    prompts = reading.read_jsonl(job.inputs["prompts"], records.Prompt, key="prompt_id")
    prompts = prompts[: evaluation["prompts"]]
    link = reading.read_json(job.inputs["link"], records.Link)
    options = DecodingOptions(
        eos_ids=stop_ids(tokenizer, policy),
        pad_id=loading.pad_id(tokenizer),
        max_new_tokens=evaluation["max_new_tokens"],
        temperature=evaluation["temperature"],
        batch_rows=evaluation["batch_rows"],
    )
    with devices.explained_out_of_memory("lower evaluation.batch_rows"):
        samples = scan(
            policy,
            tokenizer,
            judge,
            prompts,
            betas=evaluation["beta_grid"],
            samples=evaluation["samples"],
            sign=link["sign"],
            seed=evaluation["seed"],
            prompt_format=spec["prompt_format"],
            options=options,
        )
    table = summarize(
        samples,
        {
            "model_id": str(folders["policy"]),
            "ref_model_id": str(folders["reference"]),
            "reward_model_id": str(folders["reward"]),
            "method": spec["method"],
            "seed": spec["seed"],
            "link_shift": spec["shift"],
            "link_temperature": spec["link_temperature"],
            "num_preferences": spec["n"],
        },
    )
    # All its rows have the same scale.
    first = next(reading.iterate_jsonl(job.inputs["preferences"], records.Preference), None)
    if first is None:
        raise store.DataError(f"{job.inputs['preferences']}: holds no rows")
    pairs = held_out_pairs(
        reading.read_parquet(
            job.inputs["reference_samples"],
            records.ReferenceSample,
            columns=["prompt_id", "sample", "reward", "tokens"],
            where=("sample", "<", 2 * evaluation["index_pairs_per_prompt"]),
        ),
        {
            row["prompt_id"]: chat.render_prompt(tokenizer, row["prompt"], spec["prompt_format"])
            for row in prompts
        },
        evaluation["index_pairs_per_prompt"],
    )
    with devices.explained_out_of_memory("lower logp_batch_size"):
        batches = {"pad_id": options.pad_id, "batch_size": spec["batch_size"]}
        policy_logps, _ = pairs.logps(policy, **batches)
        reference_logps = _reference_logps(policy, pairs, job.inputs["reference_logps"], **batches)
    indices = held_out_indices(
        pairs,
        policy_logps,
        reference_logps,
        reward_scale=first["reward_scale"],
        link=link,
        link_shift=spec["shift"],
        link_temperature=spec["link_temperature"],
    )
    store.write_parquet(job.outputs["samples"], samples)
    store.write_parquet(job.outputs["indices"], indices)
    store.write_csv(job.outputs["evaluation"], table)
    for row in table.itertuples():
        store.log(f"beta {row.beta:g}: reward {row.avg_reward:.3f}, KL {row.kl_div:.3f} nats")


def _reference_logps(
    policy: Any, pairs: HeldOutPairs, table: Path | None, **batches: int
) -> torch.Tensor:
    """float32 [prompts, 2·pairs] nats of the policy's base: `table`'s, or computed without one."""
    if table is not None:
        frame = reading.read_parquet(table, records.SampleLogp, key=("prompt_id", "sample"))
        return pairs.looked_up(frame)
    with policy.disable_adapter():
        return pairs.logps(policy, **batches)[0]


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=(
            "policy",
            "link",
            "preferences",
            "prompts",
            "reference_samples",
            "reference_logps?",
            "reference",
            "reward",
        ),
        outputs=("evaluation", "samples", "indices"),
    )
