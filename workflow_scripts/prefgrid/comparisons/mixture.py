"""Other sets of comparisons, mixed with given shares.

Drawn as `datasets.interleave_datasets` does until all are exhausted: each next row is of a set drawn by
its share, a set that has ended starts anew, and the end is when every one has ended once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefgrid import seeding
from prefgrid.comparisons.base import SPLITS, Sets
from prefgrid.files import reading, records, store

READS = "comparisons"
OPTIONS = {
    # of the draws
    "seed": (0, "integer in [0, 2147483647]"),
}
DRAWS = 1000


def read(files: Sequence[Path], options: Mapping[str, Any], data: Mapping[str, Any]) -> Sets:
    """Their train rows mixed, and their calibration and test rows one after the other.

    files: train, calibration and test of each set. options: `shares` too, label → share, in their order.
    """
    found: dict[str, list[list[dict[str, Any]]]] = {split: [] for split in SPLITS}
    for number, path in enumerate(files):
        rows = list(reading.iterate_jsonl(path, records.Compared))
        found[SPLITS[number % len(SPLITS)]].append(rows)
    for path, rows in zip(files[:: len(SPLITS)], found["train"], strict=True):
        if not rows:
            raise store.DataError(f"{path}: holds no rows, so nothing of it can be mixed")
    shares = list(options["shares"].values())
    drawn = interleaved([len(rows) for rows in found["train"]], choices(shares, options["seed"]))
    train = [found["train"][source][index] for source, index in drawn]
    return Sets(train, sum(found["calibration"], []), sum(found["test"], []))


def choices(shares: Sequence[float], seed: int) -> Iterator[int]:
    """Numbers of sets without end, each by its share."""
    random = seeding.stream(seed, "mixture")
    while True:
        yield from random.choice(len(shares), size=DRAWS, p=np.array(shares)).tolist()


def interleaved(lengths: Sequence[int], chosen: Iterable[int]) -> list[tuple[int, int]]:
    """(set, its row) in the order of `chosen` sets, until the rows of all have been there."""
    found, ended, place = [], set(), [0] * len(lengths)
    for source in chosen:
        if len(ended) == len(lengths):
            break
        found.append((source, place[source]))
        place[source] += 1
        if place[source] == lengths[source]:
            ended.add(source)
            place[source] = 0
    return found
