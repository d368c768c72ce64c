"""Who gets which comparisons right, beside the best that any score of the responses could."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from prefgrid.figures.layout import frame
from prefgrid.figures.style import FAMILY_COLOURS, INK, QUIET, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.pairwise_judges.names import display_name, over_seeds

READS = ("summary",)
USES = ("judges", "comparisons")
TITLE = "Accuracy of every judge on every set of comparisons"
CAPTION = (
    "Share of comparisons whose likelier side the judge prefers, ties counting half; below it Wilson's 95 % "
    "interval over comparisons or, of several seeds, the lowest and the highest. White is a coin's 0.5. "
    "The last row is the best that scores of the responses can reach, whoever gives them, and below it the best "
    "that anything can: they differ where preferences run in circles. Of drawn labels both are expectations by "
    "their true probabilities. A dash: nobody knows these, or too many responses are in a circle."
)
ROW_INCHES = 0.44
NAME_INCHES = 1.7
BEST = "best of all scores"
COIN = 0.5
COLOURS = LinearSegmentedColormap.from_list("accuracy", ["#FFFFFF", FAMILY_COLOURS["ospo"]])
# Of full colour, so that dark text stays readable on it.
DEEPEST = 0.6


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(read_table(*files["summary"]), spec["judges"], spec["comparisons"])


def draw(summary: pd.DataFrame, judges: Sequence[str], sets: Sequence[str]) -> Figure:
    """A row of cells a judge and a column a set; `summary`: the study's table."""
    counts = summary.groupby("on")["decided"].first()
    most = summary.groupby("on")[["accuracy_scalar_most", "accuracy_most"]].first()
    rows = len(judges) + 1
    with theme():
        figure, axes = frame(
            [ROW_INCHES * rows],
            1,
            TITLE,
            "a cell: accuracy, and its interval or the range of seeds",
            left=NAME_INCHES,
            bottom=0.6,
        )
        axis = axes[0, 0]
        cells = dict(iter(summary.groupby(["judge", "on"])))
        for place, on in enumerate(sets):
            for row, judge in enumerate(judges):
                _cell(axis, row, place, *_words(cells[judge, on]))
            scores, either = most.loc[on]
            _cell(axis, len(judges), place, scores, f"of {either:.3f}")
        axis.axhline(len(judges), color=QUIET, linewidth=1.0)
        axis.set_xlim(0, len(sets))
        axis.set_ylim(rows, 0)
        labels = [f"{on}\n{counts[on]:,} comparisons" for on in sets]
        axis.set_xticks([place + 0.5 for place in range(len(sets))], labels)
        names = [*map(display_name, judges), BEST]
        axis.set_yticks([row + 0.5 for row in range(rows)], names)
        axis.tick_params(length=0)
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
        return figure


def _words(cell: pd.DataFrame) -> tuple[float, str]:
    """Accuracy, and what stands below it."""
    mean = float(over_seeds(cell, "accuracy").iloc[0])
    ends = (
        (cell["accuracy_low"].iloc[0], cell["accuracy_high"].iloc[0])
        if len(cell) == 1
        else (cell["accuracy"].min(), cell["accuracy"].max())
    )
    return mean, f"{ends[0]:.3f}–{ends[1]:.3f}"


def _cell(axis: Axes, row: int, place: int, accuracy: float, below: str) -> None:
    if pd.isna(accuracy):
        axis.text(place + 0.5, row + 0.5, "–", ha="center", va="center", color=QUIET)
        return
    depth = DEEPEST * max(0.0, (accuracy - COIN) / (1 - COIN))
    axis.add_patch(
        Rectangle(
            (place + 0.01, row + 0.04), 0.98, 0.92, facecolor=COLOURS(depth), edgecolor="#E3E5EA"
        )
    )
    for height, size, text in ((0.36, 10.0, f"{accuracy:.3f}"), (0.74, 7.5, below)):
        axis.text(
            place + 0.5, row + height, text, ha="center", va="center", fontsize=size, color=INK
        )
