"""The reference's log-probability of every response of a seed, once for all cells.

Inputs: responses (all shards), reference (manifest.json).
Outputs: logps (parquet: pair, response, logp_sum in nats, tokens). Spec: batch_size (pairs a forward), precision.
A rerun after a kill continues with the shards that are not scored yet.
"""

from typing import Any

import torch

from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.logprobs.table import dataset_logps, logp_frame
from prefgrid.models import checking, loading


def main(job: jobs.Job) -> None:
    folder = job.inputs["reference"].parent
    model = loading.load_causal_lm(folder, job.spec["precision"]).to(devices.device())
    pad_id = loading.pad_id(loading.load_tokenizer(folder))
    batch_size = job.spec["batch_size"]
    shards = [
        reading.read_jsonl(path, records.Responses, key="pair") for path in job.inputs["responses"]
    ]
    for shard in shards:
        checking.check_tokens(shard, model.config.get_text_config().vocab_size)

    def score(shard: list[dict[str, Any]]) -> dict[str, list]:
        logp_sums, lengths = dataset_logps(
            model,
            [row["prompt_tokens"] for row in shard],
            [[row["tokens_0"], row["tokens_1"]] for row in shard],
            pad_id=pad_id,
            batch_size=batch_size,
        )
        return {"logp_sums": logp_sums.tolist(), "lengths": lengths.tolist()}

    with devices.explained_out_of_memory(f"lower logp_batch_size (now {batch_size})"):
        parts = [
            job.part(f"shard-{number}", lambda shard=shard: score(shard))
            for number, shard in enumerate(shards)
        ]
    frame = logp_frame(
        [row["pair"] for shard in shards for row in shard],
        torch.tensor([sums for part in parts for sums in part["logp_sums"]]),
        torch.tensor([lengths for part in parts for lengths in part["lengths"]]),
    )
    store.write_parquet(job.outputs["logps"], frame)


if __name__ == "__main__":
    jobs.run(main, inputs=("responses*", "reference"), outputs=("logps",))
