"""RewardBench 2 (Malik et al., arXiv 2506.01937; allenai/reward-bench-2, split `test`).

Rows of four responses of which one is right, and the subset `Ties`: many right and wrong ones, where
ids `ref:3` and `tied:3` are the same question with one and with several right answers.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from prefgrid.comparisons import rows
from prefgrid.comparisons.base import Compared, Comparison, Sets, benchmark

READS = "source"
CERTAIN = True
TRAINS = False
FIELDS = ("id", "prompt", "chosen", "rejected", "subset")
OPTIONS: dict[str, Any] = {}
TIES = "ties"


def read(files: Sequence[Path], options: Mapping[str, Any], data: Mapping[str, Any]) -> Sets:
    """A row as it is there: all its responses, the right ones first, each of which beats each wrong
    one; all of it is test. The section is the subset, of ties with the sort of its question,
    whose number is the item."""
    found, left_out = rows.read(files[0], parse, data["bad_row_share"])
    return benchmark(found, **left_out)


def parse(row: Mapping[str, Any]) -> Compared:
    """One row. An empty response stays, since scores are of all rows and a judge can judge it."""
    section, item = rows.words(row, "subset"), ""
    if section.lower() == TIES:
        sort, _, item = rows.words(row, "id").partition(":")
        section = f"{section}/{sort}"
    prompt, right, wrong = (
        rows.words(row, "prompt"),
        rows.texts(row, "chosen"),
        rows.texts(row, "rejected"),
    )
    if set(right) & set(wrong):
        raise rows.Dropped("equal responses")
    numbers = range(len(right)), range(len(right), len(right) + len(wrong))
    edges = tuple(Comparison(first, second) for first, second in product(*numbers))
    return Compared(prompt, (*right, *wrong), edges, section, item)
