"""How many optimizer steps a training and its parts take: the one arithmetic of the config check and the
run."""

import math
from typing import Protocol


class Pace(Protocol):
    """What a training's config says of its learning rate over time; one of the warm-ups and at most one
    of the two horizons is set."""

    @property
    def epochs(self) -> float | None: ...

    @property
    def warmup_steps(self) -> int: ...

    @property
    def warmup_share(self) -> float | None: ...

    @property
    def schedule_steps(self) -> int | None: ...

    @property
    def schedule_epochs(self) -> float | None: ...

    @property
    def final_learning_rate_share(self) -> float: ...


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """A last short batch is a step of its own."""
    return math.ceil(rows / batch_size)


def steps(rows: int, batch_size: int, epochs: float | None, max_steps: int | None) -> int:
    """Optimizer steps of a run over `rows` groups; one of `epochs` and `max_steps` is set."""
    return max_steps or max(1, round(epochs * steps_per_epoch(rows, batch_size)))


def horizon(pace: Pace, steps: int) -> int:
    """Optimizer steps that the schedule of a run of `steps` spans; `schedule_epochs` goes with `epochs`."""
    if pace.schedule_epochs is not None:
        return max(1, round(steps * pace.schedule_epochs / pace.epochs))
    return pace.schedule_steps or steps


def warm_up_steps(pace: Pace, steps: int) -> int:
    """Optimizer steps of the warm-up of a run of `steps`; a share is of its schedule, rounded up as by
    transformers."""
    if pace.warmup_share is None:
        return pace.warmup_steps
    return math.ceil(horizon(pace, steps) * pace.warmup_share)


def warm_start_steps(epochs: float, steps_in_epoch: int) -> int:
    """Optimizer steps of a warm start of so many epochs."""
    return round(epochs * steps_in_epoch)
