"""What rises with the win rate and should not: length, and what the training judge alone believes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from prefgrid.figures.intervals import dodge
from prefgrid.figures.layout import frame, hide, method_handle, wrap
from prefgrid.figures.style import QUIET, MethodStyle, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.self_play.figures.panels import (
    MOST_COLUMNS,
    TITLE_SIZE,
    interval,
    judge_title,
    over_runs,
)
from prefgrid.studies.self_play.names import styles

READS = ("iterations",)
USES = ("rows", "methods")
TITLE = "Length and the gap between the judges"
CAPTION = (
    "Above: mean length of held-out responses in tokens. Below: win rate against the base by the judge that trains, "
    "minus that by the held-out judge, on the same pairs. Above 0 the policy pleases its own judge "
    "beyond what the other sees; over-optimised it is only where the held-out win rate falls as well. Bars are 95 % intervals over prompts, of several seeds "
    "from the lowest end to the highest. Iteration 0 is the base."
)
ROWS = (("tokens", "Tokens a response"), ("judge_gap", "Training judge minus\nheld-out judge"))
HEIGHTS = (1.7, 1.9)
# Between blocks, where titles and labels need room.
SPACER_INCHES = 0.3
WIDTH = 0.3


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(read_table(*files["iterations"]), spec["rows"], spec["methods"])


def draw(
    iterations: pd.DataFrame, rows: Sequence[Mapping[str, Any]], methods: Sequence[str]
) -> Figure:
    """A column a row of the grid; `iterations`: the study's table."""
    looks = styles(methods)
    own = iterations[~iterations["average"]]
    blocks, columns = wrap(len(rows), MOST_COLUMNS)
    heights = [*HEIGHTS, SPACER_INCHES] * blocks if blocks > 1 else [*HEIGHTS]
    with theme():
        figure, axes = frame(
            heights,
            columns,
            TITLE,
            "Means over the held-out prompts, iteration by iteration",
            [[method_handle(style) for style in looks.values()]],
            left=0.95,
            row_gap=0.3,
            share_x=True,
        )
        axes = axes.reshape(blocks, -1, columns)
        hide(axes[:, len(HEIGHTS) :].ravel())
        by_column = axes[:, : len(HEIGHTS)].transpose(0, 2, 1).reshape(-1, len(HEIGHTS))
        hide(by_column[len(rows) :].ravel())
        for pair, row in zip(by_column, rows, strict=False):
            pair[0].set_title(judge_title(row), fontsize=TITLE_SIZE)
            pair[-1].set_xlabel("Iteration")
            pair[-1].axhline(0, color=QUIET, linewidth=1.0, zorder=1)
            pair[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
            offsets = dodge(len(row["methods"]), WIDTH if len(row["methods"]) > 1 else 0)
            for axis, (name, _) in zip(pair, ROWS, strict=True):
                for method, offset in zip(row["methods"], offsets, strict=True):
                    policies = over_runs(own, row["judge"], method, [name])
                    _line(axis, policies, name, looks[method], offset)
        for block in axes:
            for axis, (_, label) in zip(block[: len(ROWS), 0], ROWS, strict=True):
                axis.set_ylabel(label)
        figure.align_ylabels()
        return figure


def _line(axis: Axes, policies: pd.DataFrame, name: str, style: MethodStyle, offset: float) -> None:
    places = policies["iteration"].to_numpy(np.float64) + offset
    axis.plot(
        places,
        policies[name],
        color=style.colour,
        marker=style.marker,
        markersize=5,
        linewidth=1.4,
        zorder=3,
    )
    for place, row in zip(places, policies.to_dict("records"), strict=True):
        if f"{name}_low" in row:
            interval(axis, place, row, name, style)
