"""What is wrong with a run's arguments, said before anything is computed."""

from collections.abc import Collection

import torch
from torch import Tensor

from prefgrid.job import devices
from prefgrid.objectives.base import Objective
from prefgrid.training.forward import Forward
from prefgrid.training.options import TrainingOptions

# Dimensions of the table of targets; all others have two.
DIMENSIONS = {"none": 0, "labels": 1}

INERT = True


def check_arguments(forward: Forward, objective: Objective, reference_logps: Tensor | None) -> None:
    """ValueError where rows, objective, options and reference do not fit each other."""
    options, lengths, targets = forward.options, forward.lengths, forward.targets
    schedule, needs, name = objective.schedule, objective.needs, type(objective).__module__
    if schedule != options.schedule(len(lengths), schedule.seed):
        raise ValueError(
            f"the objective's {schedule} is not that of {len(lengths)} groups under {options}"
        )
    if needs["responses"] is not None:
        for row, found in enumerate((lengths > 0).sum(1).tolist()):
            if found != needs["responses"]:
                raise ValueError(
                    f"row {row} has {found} responses, {name} needs {needs['responses']}"
                )
    if (0 if targets is None else targets.dim()) != DIMENSIONS.get(needs["targets"], 2):
        first = None if targets is None else targets[0].tolist()
        raise ValueError(f"row 0: target {first}, {name} needs targets {needs['targets']!r}")
    if needs.get("sampling_logps", False) and forward.sampling_logps is None:
        raise ValueError(f"{name} needs sampling_logps, the groups' sampling log-probabilities")
    if needs["reference_logps"] and reference_logps is None and forward.reference_logps is None:
        raise ValueError(f"{name} needs reference log-probabilities")
    if reference_logps is not None:
        if len(reference_logps) != len(lengths):
            raise ValueError(
                f"{len(reference_logps)} rows of reference log-probabilities for {len(lengths)} "
                "groups"
            )
        if reference_logps.shape != lengths.shape:
            raise ValueError(
                f"reference log-probabilities of {reference_logps.shape[1]} responses a row for "
                f"groups of up to {lengths.shape[1]}"
            )


def check_precision(options: TrainingOptions) -> None:
    """ValueError for one that the run's device has not."""
    if options.precision == "fp16" and devices.device().type == "cpu":
        raise ValueError("training: precision fp16 needs a GPU; allowed here: none, bf16")


def check_trainable(trainable: Collection[Tensor]) -> None:
    """ValueError without trainable tensors, or for those that are not float32."""
    if not trainable:
        raise ValueError(
            "the model has no trainable tensors: an adapter must be loaded as trainable, and its "
            "targets must name layers of the model"
        )
    if any(weight.dtype != torch.float32 for weight in trainable):
        raise ValueError("trainable weights must be float32; in less, small steps round away")
