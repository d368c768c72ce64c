"""Training groups, and which of them each optimizer step sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prefgrid import seeding
from prefgrid.objectives.base import Schedule


@dataclass(frozen=True)
class Group:
    """A prompt with K responses, as token ids (end tokens included where they belong).

    label: 1 where response 1 is preferred, else 0; None for objectives without labels. A group's
    row id is its position in the list of groups.
    """

    prompt_tokens: Sequence[int]
    responses: Sequence[Sequence[int]]
    label: float | None = None


class DataOrder:
    """Rows of every step. Each epoch is one permutation of all rows, keyed by (seed, epoch)."""

    def __init__(self, schedule: Schedule, batch_size: int) -> None:
        self.schedule = schedule
        self.batch_size = batch_size
        self._epoch: int | None = None
        self._order = np.empty(0, dtype=np.int64)

    def rows(self, step: int) -> list[int]:
        """Row ids of optimizer step `step` (0-based); fewer than batch_size at an epoch's end."""
        epoch, position = divmod(step, self.schedule.steps_per_epoch)
        if epoch != self._epoch:
            generator = seeding.stream(self.schedule.seed, "data_order", epoch)
            self._epoch, self._order = epoch, generator.permutation(self.schedule.rows)
        start = position * self.batch_size
        return self._order[start : start + self.batch_size].tolist()
