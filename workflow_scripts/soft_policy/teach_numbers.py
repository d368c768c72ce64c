"""Teach the base model to write numbers: a reference of the soft-policy study. Or take the run's reference.

Inputs: base (manifest.json of the model that is taught, or taken).
Outputs: weights, config, tokenizer, manifest. Spec: kind (uniform, peaked, model), task {lo, hi}, many
(whether the prompt names the target), prompt_format, min_valid_mass; but for `model` seed, answers (a
step), training; for `peaked` center.
The job fails where the model does not write numbers.
"""

import numpy as np

from prefgrid import seeding
from prefgrid.files import store
from prefgrid.job import devices, jobs
from prefgrid.models import loading
from prefgrid.models.adopting import adopt_model
from prefgrid.objectives import base
from prefgrid.studies.soft_policy import numbers
from prefgrid.studies.soft_policy.task import NumberTask
from prefgrid.training.batches import Group
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy
from prefgrid.training.step import PolicyForward

# Of the peaked reference: width in numbers, and what the others have beside the peak's 1.
PEAK_WIDTH, ELSEWHERE = 12.0, 0.02


def main(job: jobs.Job) -> None:
    spec, folder = job.spec, job.inputs["base"].parent
    tokenizer = loading.load_tokenizer(folder)
    task = spec["task"]
    targets = range(task["lo"], task["hi"] + 1) if spec["many"] else [task["lo"]]
    asked = numbers.Numbers(
        [NumberTask(target=target, **task) for target in targets],
        tokenizer,
        spec["prompt_format"],
        named=spec["many"],
    )
    pad_id = loading.pad_id(tokenizer)
    if spec["kind"] == "model":
        model = loading.load_causal_lm(folder).to(devices.device())
    else:
        model = taught(job, asked, pad_id)
    masses = [numbers.valid_mass(logps) for logps in asked.answer_logps(model, pad_id)]
    store.log(f"probability of an answer: {min(masses):.4f} to {max(masses):.4f}")
    if min(masses) < spec["min_valid_mass"]:
        raise ValueError(
            f"the reference {spec['kind']!r} writes a whole number from {task['lo']} to {task['hi']} with "
            f"probability {min(masses):.4f}; allowed: at least soft_policy.reference.min_valid_mass = "
            f"{spec['min_valid_mass']}. Teach it longer, or take another model"
        )
    if spec["kind"] == "model":
        adopt_model(folder, job.outputs["weights"])
    else:
        loading.save_model(job.folder("manifest"), model, tokenizer)


def taught(job: jobs.Job, asked: numbers.Numbers, pad_id: int):
    """The base model after supervised training on numbers that a distribution draws."""
    spec, folder = job.spec, job.inputs["base"].parent
    options = TrainingOptions(**spec["training"])
    steps = options.max_steps
    probabilities = weights(spec)
    groups = []
    for step in range(steps):
        stream = seeding.stream(spec["seed"], "taught_numbers", spec["kind"], step)
        prompt = int(stream.integers(len(asked.prompts)))
        # Systematic sampling: a number with probability p comes ⌊64p⌋ or ⌈64p⌉ times of 64.
        points = (np.arange(spec["answers"]) + stream.random()) / spec["answers"]
        drawn = np.searchsorted(probabilities.cumsum(), points, side="right")
        drawn = drawn.clip(max=len(probabilities) - 1)
        groups.append(
            Group(asked.prompts[prompt], [asked.answers[prompt][place] for place in drawn])
        )
    objective = base.create("sft", {}, options.schedule(len(groups), spec["seed"]))
    failure = job.finals["manifest"].parent / "failed_batch.json"
    failure.unlink(missing_ok=True)
    model = load_policy(folder, options, seed=spec["seed"])
    train(
        PolicyForward(model, groups, options, pad_id),
        objective,
        metrics_path=None,
        failure_path=failure,
        work=job.work,
    )
    return model if options.lora is None else model.merge_and_unload()


def weights(spec) -> np.ndarray:
    """float64 [numbers]: probabilities of the numbers that are taught."""
    values = np.arange(spec["task"]["lo"], spec["task"]["hi"] + 1)
    if spec["kind"] == "uniform":
        return np.full(len(values), 1 / len(values))
    heights = np.exp(-((values - spec["center"]) ** 2) / (2 * PEAK_WIDTH**2)) + ELSEWHERE
    return heights / heights.sum()


if __name__ == "__main__":
    jobs.run(main, inputs=("base",), outputs=("weights", "config", "tokenizer", "manifest"))
