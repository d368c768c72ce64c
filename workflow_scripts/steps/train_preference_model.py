"""Train a preference model on comparisons: a model with a value head, and for a gate a prompt head.

Inputs: comparisons (JSONL of records.Compared), start (manifest.json of the causal model it starts from).
Outputs: metrics (one row a step), weights, manifest: the whole model, an adapter merged into it, with its
tokenizer. Spec: seed, shape (models.preference.Shape), loss, margin, ptx {share, loss, scale} or null, anneal
{start, share} or null, group_size, max_prompt_tokens, max_tokens, prompt_format, training (all of the config's
`training`).
A non-finite loss leaves its batch in failed_batch.json beside the outputs.
"""

from prefgrid import seeding
from prefgrid.files import reading, records, store
from prefgrid.job import jobs
from prefgrid.models import loading
from prefgrid.models.preference import PreferenceModel, Shape
from prefgrid.models.preference_folder import save_preference_model
from prefgrid.models.row_lengths import check_dialogues
from prefgrid.objectives.preference_losses import PreferenceLoss
from prefgrid.training.batches import DataOrder
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy
from prefgrid.training.preference import Annealing, PreferenceForward
from prefgrid.training.preference_rows import compared_groups


def main(job: jobs.Job) -> None:
    spec, ptx = job.spec, job.spec["ptx"]
    folder, seed = job.inputs["start"].parent, spec["seed"]
    options, shape = TrainingOptions(**spec["training"]), Shape(**spec["shape"])
    tokenizer = loading.load_tokenizer(folder)
    groups, left_out = compared_groups(
        reading.read_jsonl(job.inputs["comparisons"], records.Compared),
        tokenizer,
        prompt_format=spec["prompt_format"],
        max_prompt_tokens=spec["max_prompt_tokens"],
        max_tokens=spec["max_tokens"],
        loss=spec["loss"],
        margin=spec["margin"],
    )
    said = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in left_out.items())
    store.log(f"{len(groups)} rows of comparisons; {said}")
    if not groups:
        raise store.DataError(f"{job.inputs['comparisons']}: no row can be learned from; {said}")
    schedule = options.schedule(len(groups), seed)
    objective = PreferenceLoss(
        {"loss": spec["loss"]} | {f"ptx_{key}": value for key, value in (ptx or {}).items()},
        schedule,
    )
    anneal = spec["anneal"] and Annealing(
        factor=spec["anneal"]["start"] / shape.temperature,
        steps=spec["anneal"]["share"] * schedule.steps,
    )
    backbone = load_policy(folder, options, seed=seed)
    # As the judge that reads the trained model will.
    check_dialogues(backbone, spec["max_tokens"])
    model = PreferenceModel(
        backbone,
        shape,
        seed=seeding.torch_seed(seed, "preference_heads"),
    )
    failure = job.finals["manifest"].parent / "failed_batch.json"
    failure.unlink(missing_ok=True)
    train(
        PreferenceForward(
            model,
            groups,
            options,
            loading.pad_id(tokenizer),
            ptx_loss=ptx and ptx["loss"],
            annealing=anneal,
        ),
        objective,
        metrics_path=job.outputs["metrics"],
        failure_path=failure,
        order=DataOrder(schedule, options.batch_size, spec["group_size"]),
        work=job.work,
    )
    save_preference_model(job.folder("manifest"), model, tokenizer)


if __name__ == "__main__":
    jobs.run(main, inputs=("comparisons", "start"), outputs=("manifest", "weights", "metrics"))
