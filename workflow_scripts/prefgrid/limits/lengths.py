"""How many optimizer steps a training takes: the one arithmetic of the config check and the run."""

import math


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """A last short batch is a step of its own."""
    return math.ceil(rows / batch_size)


def steps(rows: int, batch_size: int, epochs: float | None, max_steps: int | None) -> int:
    """Optimizer steps of a run over `rows` groups; one of `epochs` and `max_steps` is set."""
    return max_steps or max(1, round(epochs * steps_per_epoch(rows, batch_size)))


def warm_start_steps(epochs: float, steps_in_epoch: int) -> int:
    """Optimizer steps of a warm start of so many epochs."""
    return round(epochs * steps_in_epoch)
