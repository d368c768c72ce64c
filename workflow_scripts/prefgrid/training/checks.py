"""What is wrong with a run's arguments, said before anything is computed."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from prefgrid.job import devices
from prefgrid.objectives.base import Objective
from prefgrid.training.batches import Group
from prefgrid.training.options import TrainingOptions


def check_arguments(
    groups: Sequence[Group],
    objective: Objective,
    options: TrainingOptions,
    reference_logps: Tensor | None,
) -> None:
    """ValueError where groups, objective, options and reference do not fit each other."""
    schedule = objective.schedule
    if schedule != options.schedule(len(groups), schedule.seed):
        raise ValueError(
            f"the objective's {schedule} is not that of {len(groups)} groups under {options}"
        )
    needs = objective.needs
    if needs["reference_logps"] and reference_logps is None:
        raise ValueError(f"{type(objective).__module__} needs reference log-probabilities")
    if reference_logps is not None and len(reference_logps) != len(groups):
        raise ValueError(
            f"{len(reference_logps)} rows of reference log-probabilities for {len(groups)} groups"
        )
    for row, group in enumerate(groups):
        if len(group.responses) != needs["responses"]:
            raise ValueError(
                f"row {row} has {len(group.responses)} responses, "
                f"{type(objective).__module__} needs {needs['responses']}"
            )
        if (needs["targets"] == "labels") != (group.label is not None):
            raise ValueError(
                f"row {row}: label {group.label}, {type(objective).__module__} needs targets "
                f"{needs['targets']!r}"
            )
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
