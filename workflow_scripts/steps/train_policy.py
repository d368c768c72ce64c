"""Train one policy: the reference with a LoRA adapter, by the objective its label names.

Inputs: preferences (JSONL), logps (reference log-probabilities), reference (manifest.json).
Outputs: adapter, config, metrics (one row a step), link (learned link as a table), manifest.
Spec: seed, objective, options, training (all of the config's `training`).
A non-finite loss leaves its batch in failed_batch.json beside the outputs.
"""

from prefgrid.files import reading, records, store
from prefgrid.job import jobs
from prefgrid.logprobs.table import looked_up_logps
from prefgrid.models import checking, loading
from prefgrid.objectives import base
from prefgrid.training.batches import Group
from prefgrid.training.link_table import link_table
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy


def main(job: jobs.Job) -> None:
    spec = job.spec
    options = TrainingOptions(**spec["training"])
    rows = reading.read_jsonl(job.inputs["preferences"], records.Preference, key="pair")
    groups = [
        Group(row["prompt_tokens"], (row["tokens_0"], row["tokens_1"]), float(row["z"]))
        for row in rows
    ]
    reference_logps = looked_up_logps(
        reading.read_parquet(job.inputs["logps"], records.Logp, key=("pair", "response")),
        [row["pair"] for row in rows],
        [group.responses for group in groups],
    )
    folder = job.inputs["reference"].parent
    schedule = options.schedule(len(groups), spec["seed"])
    objective = base.create(spec["objective"], spec["options"], schedule)
    failure = job.finals["manifest"].parent / "failed_batch.json"
    failure.unlink(missing_ok=True)
    policy = load_policy(folder, options, seed=spec["seed"])
    checking.check_tokens(rows, policy.config.get_text_config().vocab_size)
    result = train(
        policy,
        groups,
        objective,
        options,
        pad_id=loading.pad_id(loading.load_tokenizer(folder)),
        metrics_path=job.outputs["metrics"],
        failure_path=failure,
        reference_logps=reference_logps,
        work=job.work,
    )
    store.write_json(job.outputs["link"], link_table(objective, result.index))
    loading.save_adapter(job.folder("manifest"), policy)


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("preferences", "logps", "reference"),
        outputs=("adapter", "config", "metrics", "link", "manifest"),
    )
