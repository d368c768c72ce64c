"""Which targets a run is trained on, and which others it is asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefgrid import seeding
from prefgrid.studies.soft_policy.task import NumberTask


def chosen(
    targets: Sequence[int], many: Mapping[str, int] | None, task: Mapping[str, Any], seed: int
) -> tuple[list[NumberTask], int]:
    """(tasks, how many of them are trained on, the first ones). many: {trained, tested}, so many of all numbers,
    drawn by the seed; None: the given targets. task: the other fields of a `NumberTask`."""
    if many is not None:
        numbers = range(task["lo"], task["hi"] + 1)
        order = seeding.stream(seed, "targets").permutation(len(numbers))
        targets = [numbers[place] for place in order[: many["trained"] + many["tested"]]]
    tasks = [NumberTask(target=target, **task) for target in targets]
    return tasks, len(tasks) if many is None else many["trained"]
