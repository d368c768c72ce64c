"""What the figures of self-play share: a panel a judge, a value an iteration, and its interval."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from prefgrid.figures.style import MethodStyle
from prefgrid.studies.self_play.names import judge_name

MOST_COLUMNS = 4
# Of a panel's title, which has two lines.
TITLE_SIZE = 9
# Of a marker that holds the number of its iteration.
NUMBERED_SIZE = 11.0


def judge_title(row: Mapping[str, Any]) -> str:
    """Which judge trains, and which is held out, on two lines."""
    return f"trained: {judge_name(row['judge'])}\njudged: {judge_name(row['held_out_judge'])}"


def over_runs(
    iterations: pd.DataFrame, judge: str, method: str, columns: Sequence[str]
) -> pd.DataFrame:
    """A cell's policies, the average last: means over seeds of `columns`, their least lower end and greatest
    upper one where there are ends. iterations: the study's table."""
    own = iterations[(iterations["judge"] == judge) & (iterations["method"] == method)]
    grouped = own.sort_values(["average", "iteration"]).groupby(
        ["average", "iteration"], as_index=False
    )
    rules = {
        name: (name, {"_low": "min", "high": "max"}.get(name[-4:], "mean"))
        for name in (*columns, *(f"{one}_{end}" for one in columns for end in ("low", "high")))
        if name in own
    }
    return grouped.agg(**rules)


def interval(axis: Axes, x: float, row: Mapping[str, Any], name: str, style: MethodStyle) -> None:
    """A thin line between the ends of a value at x, where it has any."""
    ends = [row[f"{name}_low"], row[f"{name}_high"]]
    axis.plot([x, x], ends, color=style.colour, linewidth=1.2, alpha=0.75, zorder=2)


def numbered(
    axis: Axes, x: float, y: float, number: int, style: MethodStyle, size: float = NUMBERED_SIZE
) -> None:
    """A marker with the number of its iteration inside, `size` points wide."""
    axis.plot(
        [x],
        [y],
        marker=style.marker,
        markersize=size,
        markerfacecolor=style.colour,
        markeredgecolor="white",
        markeredgewidth=0.8,
        zorder=4,
    )
    axis.annotate(
        str(number),
        (x, y),
        ha="center",
        va="center_baseline",
        fontsize=0.68 * size,
        fontweight="bold",
        color="white",
        zorder=5,
    )
