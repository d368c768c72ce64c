"""A value of every run against the link's shift: means over seeds with t intervals, side by side."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from prefgrid.figures.intervals import Point, dodge
from prefgrid.figures.layout import line_kwargs
from prefgrid.figures.shift_axis import WIDTH_OF_A_SHIFT
from prefgrid.figures.style import INK, QUIET, WIDTH_INCHES, MethodStyle

POINTS_AN_INCH = 72
LARGEST_MARKER_POINTS = 6.0
NO_INTERVAL = (np.nan, np.nan)


def points(
    table: pd.DataFrame, column: str, methods: Sequence[str], styles: dict[str, MethodStyle]
) -> list[Point]:
    """Points of every (method, shift) of `table` at x = position of the shift.

    `table`: `method, shift`, the mean in `column`, its interval in `low, high`; of
    `statistics.contrasts`. The places within a shift are those of `methods`, whether or not all of
    them are in the table, so that a method has one place in every panel.
    """
    shifts = sorted(table["shift"].unique())
    inches = WIDTH_OF_A_SHIFT * WIDTH_INCHES / (len(shifts) * len(methods))
    offsets = dict(zip(methods, dodge(len(methods), WIDTH_OF_A_SHIFT), strict=True))
    return [
        Point(
            x=shifts.index(row["shift"]) + offsets[row["method"]],
            mean=row[column],
            over_seeds=(row["low"], row["high"]),
            over_prompts=NO_INTERVAL,
            style=styles[row["method"]],
            size=min(LARGEST_MARKER_POINTS, 0.9 * POINTS_AN_INCH * inches),
        )
        for row in table.sort_values("shift", kind="stable").to_dict("records")
    ]


def connect(axis: Axes, listed: Sequence[Point]) -> None:
    """Faint lines through each method's means, so that its way over the shifts can be followed."""
    for style in dict.fromkeys(point.style for point in listed):
        own = [point for point in listed if point.style == style]
        axis.plot(
            [point.x for point in own],
            [point.mean for point in own],
            alpha=0.35,
            zorder=1,
            **(line_kwargs(style) | {"linewidth": 1.2}),
        )


def interval_handles(tables: Sequence[pd.DataFrame]) -> list[Line2D]:
    """Legend of the marks that the points of `tables` (of `contrasts.over_seeds`) have."""
    handles = []
    if any(table["low"].notna().any() for table in tables):
        handles.append(Line2D([], [], color=INK, linewidth=1.1, label="95 % t interval over seeds"))
    if any(table["mean"].isna().any() for table in tables):
        handles.append(
            Line2D([], [], color=QUIET, linestyle="", marker="x", markersize=6, label="missing")
        )
    return handles
