"""Who beats whom among the iterates of a run: whether the later wins against every earlier one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from prefgrid.figures.layout import frame, hide, wrap
from prefgrid.figures.style import FAMILY_COLOURS, HAIRLINE, INK, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.self_play.names import display_name, judge_name

READS = ("contests",)
USES = ("rows", "iterations")
TITLE = "Iterates against each other"
CAPTION = (
    "Win rate of the row's iterate against the column's on held-out prompts, by the held-out judge, ties one half; "
    "means over seeds. 0 is the base. Green wins, orange loses. A rate that falls towards the corner, or an orange "
    "cell below the diagonal, says that a later iterate loses to an earlier one: iterating has run in a circle or "
    "past its best."
)
MOST_COLUMNS = 4
PANEL_INCHES = 2.05
WINS, LOSES = FAMILY_COLOURS["ospo"], FAMILY_COLOURS["pspo"]
# Of a colour at 1 and 0, so that the text on it stays readable on light pages and on dark ones.
DEEPEST = 0.65
# Iterates beyond which numbers would not fit their cells.
MOST_NUMBERS = 6


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(read_table(*files["contests"]), spec["rows"], spec["iterations"])


def matrix(contests: pd.DataFrame, judge: str, method: str, iterations: int) -> np.ndarray:
    """[T + 1, T + 1]: win rate of iterate i against iterate j, means over seeds; ½ on the diagonal."""
    own = contests[(contests["judge"] == judge) & (contests["method"] == method)]
    means = own.groupby(["iteration", "opponent"])["win"].mean()
    found = np.full((iterations + 1,) * 2, 0.5)
    for (later, earlier), value in means.items():
        found[later, earlier], found[earlier, later] = value, 1 - value
    return found


def draw(contests: pd.DataFrame, rows: Sequence[Mapping[str, Any]], iterations: int) -> Figure:
    """A panel a cell, method by method; `contests`: the study's table."""
    cells = [(row["judge"], method) for row in rows for method in row["methods"]]
    lines, columns = wrap(len(cells), MOST_COLUMNS)
    with theme():
        figure, axes = frame(
            [PANEL_INCHES] * lines,
            columns,
            TITLE,
            "A cell: how often the row's iterate wins against the column's, by the held-out judge",
            row_gap=0.6,
            share_y=False,
        )
        flat = axes.ravel()
        hide(flat[len(cells) :])
        for axis, (judge, method) in zip(flat, cells, strict=False):
            _panel(axis, matrix(contests, judge, method, iterations))
            axis.set_title(f"{display_name(method)}, {judge_name(judge)}", fontsize=9)
            axis.set_xlabel("against iterate")
        for line in axes:
            line[0].set_ylabel("iterate")
        return figure


def _panel(axis: Axes, values: np.ndarray) -> None:
    count = len(values)
    for row, place in np.ndindex(count, count):
        value = values[row, place]
        axis.add_patch(
            Rectangle(
                (place + 0.02, row + 0.02),
                0.96,
                0.96,
                facecolor=WINS if value > 0.5 else LOSES,
                alpha=DEEPEST * 2 * abs(value - 0.5),
                linewidth=0,
            )
        )
        if count <= MOST_NUMBERS:
            text = f"{value:.2f}".removeprefix("0") if row != place else "·"
            axis.text(place + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=INK)
    step = 1 if count <= MOST_NUMBERS else -(-count // MOST_NUMBERS)
    places = range(0, count, step)
    axis.set_xlim(0, count)
    axis.set_ylim(count, 0)
    axis.set_aspect("equal", adjustable="box", anchor="W")
    axis.set_xticks([place + 0.5 for place in places], [str(place) for place in places])
    axis.set_yticks([place + 0.5 for place in places], [str(place) for place in places])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set(visible=True, color=HAIRLINE)
