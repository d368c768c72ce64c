"""How near each method comes to the optimum while it trains."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prefgrid.figures.layout import frame, method_handle
from prefgrid.figures.style import INK, QUIET, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.soft_policy.figures.cells import (
    SMALLEST_TV,
    curves,
    panels,
    plain_logs,
    root_axis,
    seeds_words,
    shown,
    styles,
)
from prefgrid.studies.soft_policy.looks import TV_REACHED, VALID_MASS_REACHED, looks

READS = ("evaluations", "answers")
USES = ("methods", "references", "many", "task")
TITLE = "Distance to the optimum, reward and valid mass while training"
CAPTION = (
    "Exact, by enumeration of all answers, at each look. TV is the total variation to the optimal "
    "policy, on a logarithmic axis; dotted lines: a run below the upper and above the lower one has "
    "reached the optimum. The dashed line is the optimum's own mean score. A policy that loses its "
    "valid mass writes something else than a number."
)
ROW_INCHES = 1.9
LABELS = {"tv": "TV to the optimum", "reward": "Mean score", "valid_mass": "Valid mass"}
LINE = {"linewidth": 1.0, "zorder": 1}


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    evaluations, answers = (read_table(*files[name]) for name in READS)
    return draw(
        looks(evaluations, spec["many"]),
        optimal_rewards(answers, spec["task"]),
        spec["methods"],
        spec["references"],
    )


def optimal_rewards(answers: pd.DataFrame, task: Mapping[str, Any]) -> pd.Series:
    """E[r] under the optimal policy by (reference, β, split), mean over seeds and targets."""
    distance = (answers["number"] - answers["target"]).abs()
    farthest = np.maximum(task["hi"] - answers["target"], answers["target"] - task["lo"])
    # All that is no answer has one score; so does its share.
    gain = answers["p_optimum"] * (-distance / farthest - task["r_invalid"])
    runs = ["method", "reference", "beta", "split", "seed", "target"]
    each = gain.groupby([answers[key] for key in runs]).sum() + task["r_invalid"]
    return each.groupby(["reference", "beta", "split"]).mean()


def draw(
    runs: pd.DataFrame, optimal: pd.Series, methods: Sequence[str], references: Sequence[str]
) -> Figure:
    """At one β and target, a column of panels a reference and split.

    runs: of `looks.looks`. optimal: E[r] of the optimum, of `optimal_rewards`.
    """
    part, looks_of = shown(runs), styles(methods)
    own = part.of(runs)
    found = panels(own, references)
    drawn = [method for method in methods if method in set(own["method"])]
    with theme():
        figure, axes = frame(
            [ROW_INCHES] * len(LABELS),
            len(found),
            TITLE,
            f"{part.words}; {seeds_words(own['seed'].nunique())}",
            [[method_handle(looks_of[method]) for method in drawn]],
            left=0.85,
            row_gap=0.28,
            share_x=True,
            share_y="row",
        )
        for column, (title, rows) in enumerate(found):
            rows = rows.assign(tv=rows["tv"].clip(lower=SMALLEST_TV))
            for axis, value in zip(axes[:, column], LABELS, strict=True):
                curves(axis, rows, "samples", value, looks_of)
            axes[0, column].set_title(title, fontsize=9.5)
            place = (rows["reference"].iloc[0], part.beta, rows["split"].iloc[0])
            _marks(axes[:, column], optimal.get(place, np.nan))
            axes[-1, column].set_xlabel("Samples drawn")
        for axis in axes.ravel():
            root_axis(axis, own["samples"].max() * 1.02)
        for axis, label in zip(axes[:, 0], LABELS.values(), strict=True):
            axis.set_ylabel(label)
        axes[0, 0].set_yscale("log")
        axes[0, 0].set_ylim(max(0.6 * min(own["tv"].min(), TV_REACHED), SMALLEST_TV), 1.3)
        plain_logs(axes[0, 0].yaxis)
        axes[2, 0].set_ylim(-0.03, 1.03)
        figure.align_ylabels(axes[:, 0])
        return figure


def _marks(axes: Sequence[Axes], optimal: float) -> None:
    tv, reward, valid = axes
    tv.axhline(TV_REACHED, color=QUIET, linestyle=":", **LINE)
    reward.axhline(optimal, color=INK, linestyle=(0, (4, 2)), **LINE)
    valid.axhline(VALID_MASS_REACHED, color=QUIET, linestyle=":", **LINE)
