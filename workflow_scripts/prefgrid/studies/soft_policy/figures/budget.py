"""The published claim is speed: distance to the optimum against what it costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from prefgrid.figures.layout import frame, method_handle
from prefgrid.figures.style import QUIET, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.soft_policy.figures.cells import (
    SMALLEST_TV,
    curves,
    panels,
    plain_logs,
    seeds_words,
    shown,
    styles,
)
from prefgrid.studies.soft_policy.looks import TV_REACHED, looks

READS = ("evaluations",)
USES = ("methods", "references", "many")
TITLE = "Distance to the optimum against the budget"
CAPTION = (
    "TV to the optimal policy against responses drawn and, where they are measured, against seconds of "
    "training, the looks included, on logarithmic axes; the policy before training is left out. Seconds "
    "are of one machine and of whatever else ran on it. The dotted line is the TV below which a run "
    "has reached the optimum, if its valid mass is there too."
)
ROW_INCHES = 2.3
BUDGETS = {"samples": "Samples drawn", "seconds": "Seconds"}


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    runs = looks(read_table(*files["evaluations"]), spec["many"])
    return draw(runs, spec["methods"], spec["references"])


def draw(runs: pd.DataFrame, methods: Sequence[str], references: Sequence[str]) -> Figure:
    """At one β and target, a row of panels a reference and split, a column a budget; runs: of
    `looks.looks`."""
    part, looks_of = shown(runs), styles(methods)
    own = part.of(runs)
    own = own[own["step"] > 0]
    measured = {name: label for name, label in BUDGETS.items() if own[name].notna().any()}
    found = panels(own, references)
    drawn = [method for method in methods if method in set(own["method"])]
    with theme():
        figure, axes = frame(
            [ROW_INCHES] * len(found),
            len(measured),
            TITLE,
            f"{part.words}; {seeds_words(own['seed'].nunique())}",
            [[method_handle(looks_of[method]) for method in drawn]],
            left=0.85,
            row_gap=0.5,
            share_x="col",
            share_y=True,
        )
        for row, (title, rows) in zip(axes, found, strict=True):
            rows = rows.assign(tv=rows["tv"].clip(lower=SMALLEST_TV))
            for axis, name in zip(row, measured, strict=True):
                axis.set_xscale("log")
                curves(axis, rows, name, "tv", looks_of)
                axis.axhline(TV_REACHED, color=QUIET, linestyle=":", linewidth=1.0, zorder=1)
            row[0].set_title(title, fontsize=9.5)
            row[0].set_ylabel("TV to the optimum")
        for axis, label in zip(axes[-1], measured.values(), strict=True):
            axis.set_xlabel(label)
        axes[0, 0].set_yscale("log")
        axes[0, 0].set_ylim(max(0.6 * min(own["tv"].min(), TV_REACHED), SMALLEST_TV), 1.3)
        for axis in (axes[0, 0].yaxis, *(axis.xaxis for axis in axes[0])):
            plain_logs(axis)
        return figure
