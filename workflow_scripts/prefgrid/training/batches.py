"""Training groups, and which of them each optimizer step sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from prefgrid import seeding
from prefgrid.logprobs.ragged import as_table
from prefgrid.objectives.base import Schedule


@dataclass(frozen=True)
class Group:
    """A prompt with K >= 1 responses, as token ids (end tokens included where they belong).

    target: what an objective learns from (`NEEDS["targets"]`): a label, 1 where response 1 is
        preferred, else 0; or one number a response; None without targets.
    sampling_logps: log-probability of each response under what it was drawn from, nats; or None.
    behaviours: names of what each response was drawn by; or None.
    prompt: id of the prompt, where several groups have the same; or None.
    prompt_value: Q̂0 of the prompt, in units of the scores; or None.
    Groups of one data set may differ in K. A group's row id is its position in the list of groups.
    """

    prompt_tokens: Sequence[int]
    responses: Sequence[Sequence[int]]
    target: float | Sequence[float] | None = None
    sampling_logps: Sequence[float] | None = None
    behaviours: Sequence[str] | None = None
    prompt: int | None = None
    prompt_value: float | None = None


def length_table(groups: Sequence[Group]) -> Tensor:
    """int64 [N, K]: tokens of each response, 0 where a group has fewer than K.

    ValueError naming a row without responses.
    """
    counts = torch.tensor([len(group.responses) for group in groups])
    if not counts.all():
        raise ValueError(f"row {counts.tolist().index(0)} has no response")
    lengths = [len(response) for group in groups for response in group.responses]
    return as_table(torch.tensor(lengths), counts)


def target_table(groups: Sequence[Group]) -> Tensor | None:
    """float32 [N] of labels, or [N, K] of numbers, 0 where a group has fewer than K responses.

    None without targets. ValueError naming a row whose target is of another kind than the first's,
    or has not one number a response.
    """
    if not any(isinstance(group.target, Sequence) for group in groups):
        return _numbers("target", [group.target for group in groups], torch.float32)
    return _number_table("target", groups, [group.target for group in groups])


def sampling_table(groups: Sequence[Group]) -> Tensor | None:
    """float32 [N, K] nats, as `target_table`."""
    return _number_table("sampling_logps", groups, [group.sampling_logps for group in groups])


def value_table(groups: Sequence[Group]) -> Tensor | None:
    """float32 [N]: `prompt_value` of each group; None without. ValueError where only some have one."""
    return _numbers("prompt_value", [group.prompt_value for group in groups], torch.float32)


def prompt_table(groups: Sequence[Group]) -> Tensor | None:
    """int64 [N]: `prompt` of each group, as `value_table`."""
    return _numbers("prompt", [group.prompt for group in groups], torch.int64)


def _numbers(name: str, numbers: Sequence[Any], dtype: torch.dtype) -> Tensor | None:
    _require_alike(name, numbers)
    return None if numbers[0] is None else torch.tensor(numbers, dtype=dtype)


def _number_table(name: str, groups: Sequence[Group], numbers: Sequence[Any]) -> Tensor | None:
    _require_alike(name, numbers)
    if numbers[0] is None:
        return None
    for row, (group, found) in enumerate(zip(groups, numbers, strict=True)):
        if len(found) != len(group.responses):
            raise ValueError(
                f"row {row} has {len(group.responses)} responses, but {name} of {len(found)}"
            )
    counts = torch.tensor([len(found) for found in numbers])
    values = [number for found in numbers for number in found]
    return as_table(torch.tensor(values, dtype=torch.float32), counts)


def _require_alike(name: str, values: Sequence[Any]) -> None:
    kinds = [(value is None, isinstance(value, Sequence)) for value in values]
    for row, kind in enumerate(kinds):
        if kind != kinds[0]:
            raise ValueError(f"row {row}: {name} {values[row]}, but row 0 has {values[0]}")


class Order(Protocol):
    """Which rows each step of a run sees."""

    def rows(self, step: int) -> list[int]:
        """Row ids of optimizer step `step` (0-based), asked for in any order."""


class DataOrder:
    """Rows of every step. Each epoch is one permutation of all rows, keyed by (seed, epoch).

    block: so many consecutive rows stay together; those that fill no block come last.
    """

    def __init__(self, schedule: Schedule, batch_size: int, block: int = 1) -> None:
        self.schedule = schedule
        self.batch_size = batch_size
        self.block = block
        self._epoch: int | None = None
        self._order = np.empty(0, dtype=np.int64)

    def rows(self, step: int) -> list[int]:
        """Row ids of optimizer step `step` (0-based); fewer than batch_size at an epoch's end."""
        epoch, position = divmod(step, self.schedule.steps_per_epoch)
        if epoch != self._epoch:
            generator = seeding.stream(self.schedule.seed, "data_order", epoch)
            whole = self.schedule.rows // self.block
            blocks = generator.permutation(whole)[:, None] * self.block + np.arange(self.block)
            rest = np.arange(whole * self.block, self.schedule.rows)
            self._epoch, self._order = epoch, np.concatenate([blocks.ravel(), rest])
        start = position * self.batch_size
        return self._order[start : start + self.batch_size].tolist()
