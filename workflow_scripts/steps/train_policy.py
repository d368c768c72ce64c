"""Train one policy by the objective its label names: the reference with a LoRA adapter, or all its weights.

Inputs: data (JSONL: preferences, or groups with what the objective needs of them), logps (of the reference),
reference (manifest.json), adapters (manifests of the policies stacked on it, oldest first; may be none).
Outputs: metrics (one row a step), link (learned link as a table), manifest; beside it the policy, an
adapter or a whole model, with the tokenizer's files and a card, by which the folder stands alone.
Spec: seed, objective (dotted module), options, training (all of the config's `training`), prompt_format
(which the card shows).
A non-finite loss leaves its batch in failed_batch.json beside the outputs.
"""

import importlib

from prefgrid.data import groups, training
from prefgrid.files import reading, store
from prefgrid.job import jobs
from prefgrid.logprobs.table import looked_up_logps
from prefgrid.models import checking, loading, standalone
from prefgrid.objectives import base
from prefgrid.training.batches import Group
from prefgrid.training.link_table import link_table
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy
from prefgrid.training.step import PolicyForward


def main(job: jobs.Job) -> None:
    spec = job.spec
    options = TrainingOptions(**spec["training"])
    folder = job.inputs["reference"].parent
    needs = importlib.import_module(spec["objective"]).NEEDS
    targets = needs["targets"]
    rows = training.read(job.inputs["data"], targets, needs.get("sampling_logps", False))
    prompts, responses = groups.tokens(rows)
    told = ([row[name] for row in rows] for name in ("target", "sampling_logps"))
    data = list(map(Group, prompts, responses, *told))
    reference_logps = looked_up_logps(
        reading.read_table(job.inputs["logps"]), [row["group"] for row in rows], responses
    )
    schedule = options.schedule(len(data), spec["seed"])
    objective = base.create(spec["objective"], spec["options"], schedule)
    failure = job.finals["manifest"].parent / "failed_batch.json"
    failure.unlink(missing_ok=True)
    policy = load_policy(folder, options, seed=spec["seed"], adapters=job.folders("adapters"))
    checking.check_tokens(rows, policy.config.get_text_config().vocab_size)
    tokenizer = loading.load_tokenizer(folder)
    result = train(
        PolicyForward(policy, data, options, loading.pad_id(tokenizer)),
        objective,
        metrics_path=job.outputs["metrics"],
        failure_path=failure,
        reference_logps=reference_logps,
        work=job.work,
    )
    store.write_json(
        job.outputs["link"], link_table(objective, result.index if targets == "labels" else None)
    )
    standalone.save_policy(
        job.folder("manifest"),
        policy,
        folder,
        place=job.finals["manifest"].parent,
        trained=job.identity(),
        last_step=result.metrics[-1],
    )


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("data", "logps", "reference", "adapters**"),
        outputs=("manifest", "metrics", "link"),
    )
