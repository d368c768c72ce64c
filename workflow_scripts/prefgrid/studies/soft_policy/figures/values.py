"""What each method takes for the soft value of its prompt, beside the exact one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prefgrid.figures.layout import frame, method_handle
from prefgrid.figures.style import INK, QUIET, theme
from prefgrid.files.reading import read_table
from prefgrid.statistics.soft_value import SOUND
from prefgrid.studies.soft_policy.figures.cells import curves, panels, seeds_words, shown, styles
from prefgrid.studies.soft_policy.looks import grouped

READS = ("values",)
USES = ("methods", "references", "many")
TITLE = "Estimates of the soft value Q̂₀"
CAPTION = (
    "Above, the estimate that the steps after each epoch are trained with, beside the exact value at the "
    "β of that step (dashed). Below, what its error adds to every target, (Q₀ − Q̂₀)/β in nats, the "
    "logarithm of the feasibility sum: linear within ±1, logarithmic beyond. In the shaded band that sum "
    "is between 0.5 and 2, and a training can reach the optimum; above it the targets sum to more than 1, "
    "below it mass is left over for answers that are never drawn."
)
ROW_INCHES = 2.2
# Within ± so many nats the axis of errors is linear.
LINEAR_NATS = 1.0
EXACT = {"color": INK, "linewidth": 1.1, "linestyle": (0, (4, 2)), "zorder": 1}
NOTHING = "no estimate"


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(
        grouped(read_table(*files["values"]), spec["many"]), spec["methods"], spec["references"]
    )


def draw(estimates: pd.DataFrame, methods: Sequence[str], references: Sequence[str]) -> Figure:
    """At one β and target, or the mean over the targets that are trained on; a column a reference.

    estimates: gathered `values`, of which `looks.grouped`.
    """
    part, looks_of = shown(estimates), styles(methods)
    own = part.of(estimates)
    shift = (own["exact"] - own["value"]) / own["step_beta"]
    own = own.assign(shift_nats=shift)
    # Means over targets, so that a run has one row a look.
    run = ["method", "reference", "target", "split", "seed", "step"]
    own = own.groupby(run, sort=False)[["epoch", "value", "exact", "shift_nats"]].mean()
    own = own.reset_index()
    found = panels(own, references)
    drawn = [method for method in methods if method in set(own[own["value"].notna()]["method"])]
    handles = [method_handle(looks_of[method]) for method in drawn]
    with theme():
        figure, axes = frame(
            [ROW_INCHES] * 2,
            len(found),
            TITLE,
            f"{part.words}; {seeds_words(own['seed'].nunique())}",
            [[*handles, Line2D([], [], label="exact Q₀", **EXACT)]],
            left=0.85,
            row_gap=0.3,
            share_x=True,
            share_y="row",
        )
        for column, (title, rows) in enumerate(found):
            level, error = axes[:, column]
            if curves(level, rows, "epoch", "value", looks_of, NOTHING):
                _exact(level, rows)
            error.set_yscale("symlog", linthresh=LINEAR_NATS)
            if curves(error, rows, "epoch", "shift_nats", looks_of, NOTHING):
                error.axhspan(*np.log(SOUND), color=QUIET, alpha=0.18, linewidth=0, zorder=0)
                error.axhline(0, color=QUIET, linewidth=0.8, zorder=1)
            level.set_title(title, fontsize=9.5)
            error.set_xlabel("Epoch")
        axes[0, 0].set_ylabel("Q̂₀, in units of the score")
        axes[1, 0].set_ylabel("Error of targets (nats)")
        _nats(axes[1, 0], own["shift_nats"])
        figure.align_ylabels(axes[:, 0])
        return figure


def _exact(axis: Axes, rows: pd.DataFrame) -> None:
    """A line for each course that the exact value takes: with a β that falls, it changes."""
    courses = {
        tuple(own["exact"].round(12)): own
        for _, own in rows[rows["seed"] == rows["seed"].min()].groupby("method", sort=False)
    }
    for own in courses.values():
        axis.plot(own["epoch"], own["exact"], **EXACT)


def _nats(axis: Axes, shifts: pd.Series) -> None:
    """Limits and ticks of the symmetric logarithmic axis."""
    known = shifts[np.isfinite(shifts)]
    low = min(-LINEAR_NATS, 1.4 * known.min()) if len(known) else -LINEAR_NATS
    high = max(LINEAR_NATS, 1.4 * known.max()) if len(known) else LINEAR_NATS
    axis.set_ylim(low, high)
    tens = [sign * 10.0**power for power in range(7) for sign in (-1, 1)]
    ticks = sorted([0.0, *(tick for tick in tens if low <= tick <= high)])
    axis.set_yticks(ticks, [f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks])
    axis.minorticks_off()
