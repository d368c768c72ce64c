"""What policies answer where preferences run in a circle, and how much the best answer to it wins."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from prefgrid.figures.layout import frame, method_handle, words_alone
from prefgrid.figures.style import INK, QUIET, MethodStyle, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.self_play.figures.panels import (
    TITLE_SIZE,
    interval,
    judge_title,
    numbered,
    over_runs,
)
from prefgrid.studies.self_play.names import styles

READS = ("classes", "iterations")
USES = ("rows", "methods")
TITLE = "Classes of responses, and what beats them"
CAPTION = (
    "Triangle: shares of the three classes among a policy's held-out responses; a corner answers with one class "
    "alone, the middle (+) with all alike. Numbers are iterates, 0 the base. Right of it the exploitability: how "
    "much more than one half the best single class wins against the policy, by the held-out judge's "
    "probabilities among pairs of the base's responses; 0 where nothing beats it. On a ring of classes that is the middle, "
    "and a policy that follows its judge to the class that wins now walks to a corner, or around. Hollow: "
    "the average of all iterates' weights. Bars are 95 % intervals over prompts; means over seeds."
)
PANEL_INCHES = 3.0
# Of a marker with a number, in points: iterates lie close together.
NUMBERED_SIZE = 8.0
HEIGHTS = ("exploitability", "exploitability_high")
# By which the average stands beside the last iterate, in iterations.
BESIDE = 0.25
# Of the triangle: left below, right below, top.
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    classes, iterations = (read_table(*files[name]) for name in READS)
    return draw(classes, iterations, spec["rows"], spec["methods"])


def draw(
    classes: pd.DataFrame,
    iterations: pd.DataFrame,
    rows: Sequence[Mapping[str, Any]],
    methods: Sequence[str],
) -> Figure:
    """A triangle and its exploitability a row of the grid that has classes; frames: the study's tables."""
    with_classes = [row for row in rows if row["classes"] is not None]
    named = {method for row in with_classes for method in row["methods"]}
    looks = {label: own for label, own in styles(methods).items() if label in named}
    ends = iterations[[name for name in HEIGHTS if name in iterations]]
    top = 1.15 * max(float(ends.max().max()), 0.05)
    with theme():
        figure, axes = frame(
            [PANEL_INCHES] * len(with_classes),
            2,
            TITLE,
            "Left the shares of classes, right how far the best answer is above one half",
            [[method_handle(style) for style in looks.values()]],
            row_gap=0.9,
            column_gap=0.55,
            left=0.3,
            share_y=False,
        )
        for (triangle, exploited), row in zip(axes, with_classes, strict=True):
            triangle.set_title(judge_title(row), fontsize=TITLE_SIZE)
            exploited.set_ylim(-0.03 * top, top)
            exploited.axhline(0, color=QUIET, linewidth=1.0, zorder=1)
            exploited.set_xlabel("Iteration")
            exploited.set_title("Exploitability", fontsize=TITLE_SIZE)
            exploited.xaxis.set_major_locator(MaxNLocator(integer=True))
            count = int(classes.loc[classes["judge"] == row["judge"], "class"].max()) + 1
            if count == len(CORNERS):
                _corners(triangle)
            else:
                words_alone(triangle, f"{count} classes: see classes.csv")
            for method in row["methods"]:
                if count == len(CORNERS):
                    _walk(triangle, classes, row["judge"], method, looks[method])
                own = over_runs(iterations, row["judge"], method, ["exploitability"])
                _exploitability(exploited, own, looks[method])
        return figure


def _exploitability(axis: Axes, own: pd.DataFrame, style: MethodStyle) -> None:
    """Iterates joined; the average, hollow, a little to the right of the last that it is of."""
    places = own["iteration"] + BESIDE * own["average"]
    iterates = ~own["average"]
    line = {"color": style.colour, "marker": style.marker, "markersize": 5, "zorder": 3}
    axis.plot(places[iterates], own["exploitability"][iterates], **line)
    axis.plot(
        places[~iterates],
        own["exploitability"][~iterates],
        linestyle="none",
        markerfacecolor="white",
        **line,
    )
    for place, row in zip(places, own.to_dict("records"), strict=True):
        if "exploitability_low" in row:
            interval(axis, place, row, "exploitability", style)


def _corners(axis: Axes) -> None:
    axis.set_axis_off()
    axis.set_aspect("equal", adjustable="box")
    axis.set_xlim(-0.1, 1.1)
    axis.set_ylim(-0.12, 0.98)
    axis.plot(*np.vstack([CORNERS, CORNERS[:1]]).T, color=QUIET, linewidth=1.0, zorder=1)
    axis.plot(*CORNERS.mean(axis=0), marker="+", color=INK, markersize=8, zorder=2)
    sides = (("right", "top", -0.02), ("left", "top", -0.02), ("center", "bottom", 0.03))
    for number, (corner, (across, up, gap)) in enumerate(zip(CORNERS, sides, strict=True)):
        axis.text(
            corner[0],
            corner[1] + gap,
            f"class {number}",
            ha={"right": "center", "left": "center"}.get(across, across),
            va=up,
            fontsize=8.5,
            color=QUIET,
        )


def _walk(axis: Axes, classes: pd.DataFrame, judge: str, method: str, style: MethodStyle) -> None:
    own = classes[(classes["judge"] == judge) & (classes["method"] == method)]
    own = own[~own["average"].astype(bool)]
    shares = own.groupby(["iteration", "class"])["share"].mean().unstack("class", fill_value=0.0)
    places = shares.to_numpy() @ CORNERS
    axis.plot(*places.T, color=style.colour, linewidth=1.4, zorder=3)
    for number, place in zip(shares.index, places, strict=True):
        numbered(axis, *place, number, style, NUMBERED_SIZE)
