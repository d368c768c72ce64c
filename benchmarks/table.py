"""One markdown table of ratios, shared by every benchmark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison.

    what: the thing measured, with its unit. ours, other: the two figures, with their unit in
    words ("0.81 s"). ratio: how many times better ours is, or how many times dearer where the target
    caps it ("<= 3"); nan where there is nothing to divide. target: what must be reached, as text
    (">= 1.25"), or "reported".
    """

    what: str
    ours: str
    other: str
    ratio: float
    target: str


def print_table(rows: Sequence[Row]) -> None:
    """Print `rows` as one markdown table with aligned columns."""
    cells = [("what", "ours", "other", "ratio", "target")]
    cells += [
        (row.what, row.ours, row.other, "" if math.isnan(row.ratio) else f"{row.ratio:.2f}x")
        + (row.target,)
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, tuple("-" * width for width in widths))
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(f"| {' | '.join(padded)} |")
