"""The reference's log-probability of every response, once for all policies that start from it.

Inputs: responses (JSONL, all shards), reference (manifest.json), adapters (manifests of the policies
stacked on it, oldest first; may be none).
Outputs: logps (parquet: group, response, logp_sum in nats, tokens).
Spec: batch_size (groups a forward), precision, first (responses of a group; null: all).
A rerun after a kill continues with the shards that are not scored yet.
"""

from typing import Any

import torch

from prefgrid.data import groups
from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.logprobs.agreement import check_log_probs
from prefgrid.logprobs.table import dataset_logps, logp_frame
from prefgrid.models import checking, loading


def main(job: jobs.Job) -> None:
    spec = job.spec
    folder = job.inputs["reference"].parent
    model = loading.load_stack(folder, job.folders("adapters"), spec["precision"])
    model.to(devices.device())
    pad_id = loading.pad_id(loading.load_tokenizer(folder))
    batch_size = spec["batch_size"]
    shards = [
        reading.read_jsonl(path, records.Group, key="group") for path in job.inputs["responses"]
    ]
    for shard in shards:
        checking.check_tokens(shard, model.config.get_text_config().vocab_size)
    first = shards[0][0]
    check_log_probs(model, first["prompt_tokens"] + first["responses"][0]["tokens"], pad_id)
    # Of all shards alike, so that their tables stand one below the other.
    width = max(len(row["responses"][: spec["first"]]) for shard in shards for row in shard)

    def score(shard: list[dict[str, Any]]) -> dict[str, list]:
        prompts, responses = groups.tokens(shard, spec["first"])
        logp_sums, lengths = dataset_logps(
            model, prompts, responses, pad_id=pad_id, batch_size=batch_size, width=width
        )
        return {"logp_sums": logp_sums.tolist(), "lengths": lengths.tolist()}

    with devices.explained_out_of_memory(f"lower logp_batch_size (now {batch_size})"):
        parts = [
            job.part(f"shard-{number}", lambda shard=shard: score(shard))
            for number, shard in enumerate(shards)
        ]
    frame = logp_frame(
        [row["group"] for shard in shards for row in shard],
        torch.tensor([sums for part in parts for sums in part["logp_sums"]]),
        torch.tensor([lengths for part in parts for lengths in part["lengths"]]),
    )
    store.write_parquet(job.outputs["logps"], frame)


if __name__ == "__main__":
    jobs.run(main, inputs=("responses*", "reference", "adapters**"), outputs=("logps",))
