"""The reference's log-probability of every response of a seed, once for all cells.

Inputs: responses (all shards), reference (manifest.json).
Outputs: logps (parquet: pair, response, logp_sum in nats, tokens). Spec: batch_size (pairs a forward), precision.
"""

from prefgrid import devices, jobs, store
from prefgrid.logprobs.table import dataset_logps, logp_frame
from prefgrid.models import loading


def main(job: jobs.Job) -> None:
    folder = job.inputs["reference"].parent
    model = loading.load_causal_lm(folder, job.spec["precision"]).to(devices.device())
    fields = ("pair", "prompt_tokens", "tokens_0", "tokens_1")
    rows = [row for path in job.inputs["responses"] for row in store.read_jsonl(path, fields)]
    batch_size = job.spec["batch_size"]
    with devices.explained_out_of_memory(f"lower logp_batch_size (now {batch_size})"):
        logp_sums, lengths = dataset_logps(
            model,
            [row["prompt_tokens"] for row in rows],
            [[row["tokens_0"], row["tokens_1"]] for row in rows],
            pad_id=loading.pad_id(loading.load_tokenizer(folder)),
            batch_size=batch_size,
        )
    frame = logp_frame([row["pair"] for row in rows], logp_sums, lengths)
    store.write_parquet(job.outputs["logps"], frame)


if __name__ == "__main__":
    jobs.run(main, inputs=("responses*", "reference"), outputs=("logps",))
