"""How a run is optimised, and what follows from it: number of steps, learning rate at a step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefgrid.limits import bounds, lengths
from prefgrid.models.loading import DTYPES
from prefgrid.objectives.base import Schedule

# Shapes of the learning rate after its warm-up, as the share of the way from the horizon's end to the
# peak, where `progress` of the horizon is done.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
    "linear": lambda progress: 1 - progress,
    "constant": lambda progress: 1.0,
}


@dataclass(frozen=True)
class TrainingOptions:
    """A step is an optimizer step; exactly one of `epochs` and `max_steps` is set.

    batch_size: groups of one step, over all processes. micro_batch_size: groups of one forward and
    backward of a process; it moves results by rounding only (and by the draws of dropout).
    warmup_share: None, or the warm-up as a share of the horizon, with `warmup_steps` 0.
    learning_rate_schedule: one of `SCHEDULES`. schedule_steps: horizon of the learning rate schedule,
    None for the run's own number of steps. schedule_epochs: the same in epochs, for a run of `epochs`.
    final_learning_rate_share: the share of `learning_rate` left at the horizon. linear_decay_share: None for that schedule; else the last share of the
    horizon, in which the rate falls linearly after it was constant (Hägele et al., arXiv 2405.18392).
    optimizer: one of `optimizers.OPTIMIZERS`. weight_decay spares norms and biases unless
    `decay_norms_and_biases`. max_grad_norm: None for no clipping. gradient_checkpointing: the layers'
    activations are computed again in the backward instead of kept. lora: None for a full
    fine-tune, else {rank, alpha, dropout, targets}.
    """

    epochs: float | None
    max_steps: int | None
    batch_size: int
    micro_batch_size: int
    learning_rate: float
    warmup_steps: int = 0
    warmup_share: float | None = None
    schedule_steps: int | None = None
    schedule_epochs: float | None = None
    final_learning_rate_share: float = 0.0
    linear_decay_share: float | None = None
    learning_rate_schedule: str = "cosine"
    optimizer: str = "adamw"
    weight_decay: float = 0.0
    decay_norms_and_biases: bool = False
    adam_betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float | None = 1.0
    precision: str = "none"
    gradient_checkpointing: bool = False
    lora: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.max_steps is None):
            raise ValueError("training: set exactly one of epochs and max_steps")
        if problem := bounds.pace_problem(self):
            raise ValueError(f"training: {problem}")
        if min(self.batch_size, self.micro_batch_size) < 1:
            raise ValueError("training: batch_size and micro_batch_size must be at least 1")
        if self.precision not in DTYPES:
            raise ValueError(
                f"training: precision {self.precision!r}; allowed: {', '.join(DTYPES)}"
            )
        if self.learning_rate_schedule not in SCHEDULES:
            raise ValueError(
                f"training: learning_rate_schedule {self.learning_rate_schedule!r}; allowed: "
                f"{', '.join(SCHEDULES)}"
            )

    def schedule(self, rows: int, seed: int) -> Schedule:
        """Length of the run over `rows` groups; a last short batch is a step of its own.

        ValueError if the warm-up would not end in it.
        """
        steps = lengths.steps(rows, self.batch_size, self.epochs, self.max_steps)
        problem = bounds.warm_up_problem(self, steps)
        if problem:
            raise ValueError(f"training: over {rows} groups {problem}")
        return Schedule(
            rows=rows,
            steps=steps,
            steps_per_epoch=lengths.steps_per_epoch(rows, self.batch_size),
            seed=seed,
        )

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Learning rate of step `step` (0-based) in a run of `steps` steps.

        Rises linearly through the warm-up's steps, none of them at zero, to the peak at the step after
        them; from there it falls along the schedule (half a cosine, a line, or not at all)
        to the final share at the horizon, or, with `linear_decay_share`, the rate is that of the peak
        until its linear fall.
        """
        horizon, warmup = lengths.horizon(self, steps), lengths.warm_up_steps(self, steps)
        if self.linear_decay_share is not None:
            return self.learning_rate * self._trapezoid(step, horizon, warmup)
        if step < warmup:
            return self.learning_rate * (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(1, horizon - warmup)
        left = SCHEDULES[self.learning_rate_schedule](min(1.0, progress))
        final = self.final_learning_rate_share
        return self.learning_rate * (final + (1 - final) * left)

    def _trapezoid(self, step: int, horizon: int, warmup: int) -> float:
        rise = (step + 1) / (warmup + 1)
        fall = (horizon - step) / (self.linear_decay_share * horizon)
        return min(1.0, rise, max(self.final_learning_rate_share, fall))
