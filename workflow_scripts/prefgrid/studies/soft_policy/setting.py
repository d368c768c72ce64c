"""How a policy is trained on numbers, and what is left of a training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from prefgrid.sampling.request import DecodingOptions
from prefgrid.training.options import TrainingOptions

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Setting:
    """How a policy is trained, whatever its seed.

    objective: a module; options: its own. beta: of the optimum that the policy is compared with, in units
    of the score. drawing: the config's. trained: how many of the tasks are trained on, the first ones; the
    others only evaluate. options.batch_size: groups of `group_size` responses a step.
    """

    objective: str
    objective_options: dict[str, Any]
    options: TrainingOptions
    beta: float
    drawing: dict[str, Any]
    trained: int
    decoding: DecodingOptions
    final_samples: int
    measure_seconds: bool

    @property
    def epoch_steps(self) -> int:
        """Optimizer steps of an epoch."""
        return self.drawing["samples"] // (self.drawing["group_size"] * self.options.batch_size)

    @property
    def steps(self) -> int:
        return self.drawing["epochs"] * self.epoch_steps


@dataclass
class Outcome:
    """Rows of tables, without the seed: an epoch's exact metrics, estimates of Q̂0, steps, answers'
    probabilities at the end, samples; and the trained weights that are kept."""

    evaluations: Rows = field(default_factory=list)
    values: Rows = field(default_factory=list)
    steps: Rows = field(default_factory=list)
    answers: Rows = field(default_factory=list)
    samples: Rows = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
