"""Win rate against the base by the held-out judge, over the KL that it cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prefgrid.figures.kl_panels import kl_axis, name_kappas
from prefgrid.figures.layout import frame, hide, wrap
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

READS = ("iterations",)
USES = ("rows", "methods", "kappas")
TITLE = "Win rate against the base over KL"
CAPTION = (
    "A number is an iterate; the line starts at the base, KL 0 and one half. Up: share of sample pairs that it "
    "wins against the base on held-out prompts, by a judge that trained nothing, ties one half. Across: its "
    "exact KL to the base. Hollow: the average of all iterates' weights. Methods are to be compared at one KL, a "
    "dotted κ, and not at one iteration. A panel a training judge; bars are 95 % intervals over prompts, of several "
    "seeds from the lowest end to the highest."
)
PANEL_INCHES = 2.7
# Wide enough for the numbers of several methods.
MOST_COLUMNS = 2
COLUMNS = ("kl_base_nats", "win_base")


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    iterations = read_table(*files["iterations"])
    return draw(iterations, spec["rows"], spec["methods"], spec["kappas"])


def draw(
    iterations: pd.DataFrame,
    rows: Sequence[Mapping[str, Any]],
    methods: Sequence[str],
    kappas_nats: Sequence[float],
) -> Figure:
    """A panel a row of the grid; `iterations`: the study's table."""
    looks = styles(methods)
    handles = [
        Line2D([], [], color=own.colour, marker=own.marker, markersize=7, label=own.name)
        for own in looks.values()
    ]
    if iterations["average"].any():
        handles.append(
            Line2D(
                *([], []),
                linestyle="",
                marker="o",
                markersize=7,
                markerfacecolor="white",
                markeredgecolor=INK,
                label="average of the weights",
            )
        )
    # With room for the name of κ behind its line.
    limit = max(1.06 * float(iterations["kl_base_nats"].max()), max(kappas_nats) / 0.7, 0.01)
    lines, columns = wrap(len(rows), MOST_COLUMNS)
    with theme():
        figure, axes = frame(
            [PANEL_INCHES] * lines,
            columns,
            TITLE,
            "Iterates of every method, from the base on, by a judge that trained nothing",
            [handles],
            row_gap=1.0,
            share_x=False,
            share_y=True,
        )
        flat = axes.ravel()
        hide(flat[len(rows) :])
        for axis, row in zip(flat, rows, strict=False):
            axis.axhline(0.5, color=QUIET, linewidth=1.0, zorder=1)
            for method in row["methods"]:
                _path(axis, over_runs(iterations, row["judge"], method, COLUMNS), looks[method])
            kl_axis(axis, limit, kappas_nats)
            name_kappas(axis, limit, kappas_nats)
            axis.set_title(judge_title(row), fontsize=TITLE_SIZE)
            axis.set_xlabel("KL to the base (nats)")
        for line in axes:
            line[0].set_ylabel("Win rate against the base")
        return figure


def _path(axis: Axes, own: pd.DataFrame, style: MethodStyle) -> None:
    root = np.sqrt(own["kl_base_nats"].clip(lower=0))
    iterates = ~own["average"]
    axis.plot(root[iterates], own["win_base"][iterates], color=style.colour, zorder=3)
    for x, row in zip(root, own.to_dict("records"), strict=True):
        if row["iteration"] == 0:
            continue
        interval(axis, x, row, "win_base", style)
        if row["average"]:
            axis.plot(
                [x],
                [row["win_base"]],
                marker=style.marker,
                markersize=7,
                markerfacecolor="white",
                markeredgecolor=style.colour,
                markeredgewidth=1.4,
                zorder=4,
            )
        else:
            numbered(axis, x, row["win_base"], row["iteration"], style)
