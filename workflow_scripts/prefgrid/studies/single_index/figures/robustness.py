"""Reward at one KL against the link's shift, beside the oracle's, and the paired difference to the
baseline."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prefgrid.figures.intervals import draw as draw_points
from prefgrid.figures.layout import frame, method_handle, note
from prefgrid.figures.shift_axis import shift_axis
from prefgrid.figures.style import QUIET, method_styles, theme
from prefgrid.files.reading import read_table
from prefgrid.statistics.contrasts import over_seeds, paired
from prefgrid.studies.single_index.figures import by_shift
from prefgrid.studies.single_index.figures.cells import present, seeds_words, shown
from prefgrid.studies.single_index.names import GROUPS, ORACLE

READS = ("runs",)
USES = ("methods", "baseline", "kappa")
TITLE = "Reward at one KL against the link's shift"
CAPTION = (
    "Above: means over seeds, with intervals that are wide because every seed has a teacher of "
    "its own, whose rewards differ. Compare methods below, where each seed's difference to the "
    "baseline is taken first. The oracle is the true reward itself, scanned as a method is: no "
    "learner can lie above it in any seed."
)

ORACLE_LINE = {"color": QUIET, "linewidth": 1.3, "linestyle": (0, (4, 2))}


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(read_table(*files["runs"]), spec["methods"], spec["baseline"], spec["kappa"])


def draw(runs: pd.DataFrame, methods: Sequence[str], baseline: str, kappa_nats: float) -> Figure:
    """At the largest n and the smallest τ.

    `runs`: `method, seed, shift, tau, n, reward`, one row a run, `reward` at KL = κ, NaN if out of
    reach; the oracle's rows under the method "oracle" (may be absent).
    """
    data, cell = shown(runs)
    styles = method_styles(methods)
    methods = present(data, methods)
    shifts = sorted(data["shift"].unique())
    learners = data[data["method"].isin(methods)]
    oracle = data[data["method"] == ORACLE].groupby("shift")["reward"].mean()
    levels = over_seeds(learners, "reward", GROUPS, methods, learners["seed"].unique())
    compare = baseline in methods and len(methods) > 1
    marks = by_shift.interval_handles([levels])
    if len(oracle):
        marks.append(Line2D([], [], label="Oracle: the true reward, scanned", **ORACLE_LINE))
    with theme():
        figure, axes = frame(
            [3.3, 2.9] if compare else [3.6],
            1,
            f"Reward at KL {kappa_nats:g}, against the link's shift",
            f"{cell}; {seeds_words(learners['seed'].nunique())}",
            [[method_handle(styles[method]) for method in methods], marks],
            left=0.8,
            bottom=0.78,
            row_gap=0.5,
            share_x=True,
        )
        listed = by_shift.points(levels, "mean", methods, styles)
        cut = draw_points([(axes[0, 0], listed)])
        by_shift.connect(axes[0, 0], listed)
        _oracle(axes[0, 0], oracle.reindex(shifts))
        axes[0, 0].set_ylabel("Mean reward")
        axes[0, 0].set_title("Reward")
        if compare:
            gaps = paired(learners, "reward", GROUPS, methods, baseline, family=[])
            listed = by_shift.points(gaps, "difference", methods, styles)
            cut |= draw_points([(axes[1, 0], listed)], around=0.0)
            axes[1, 0].axhline(0, color=styles[baseline].colour, linewidth=1.6, zorder=1)
            axes[1, 0].set_ylabel(f"Reward minus {styles[baseline].name}'s")
            axes[1, 0].set_title(f"Difference to {styles[baseline].name}, paired by seed")
        for axis in axes[:, 0]:
            shift_axis(axis, shifts)
        if compare:
            axes[0, 0].set_xlabel("")
        figure.align_ylabels(axes[:, 0])
        if cut:
            note(axes[-1, 0], "arrow heads: the interval goes on beyond the panel")
        return figure


def _oracle(axis: Axes, reward: pd.Series) -> None:
    """The oracle's mean over seeds (NaN: none), across each shift's part of the panel."""
    edges = np.arange(len(reward))[:, None] + [-0.5, 0.5]
    axis.plot(edges.ravel(), np.repeat(reward, 2), zorder=1, **ORACLE_LINE)
    low, high = axis.get_ylim()
    if reward.notna().any():
        axis.set_ylim(low, max(high, reward.max() + 0.06 * (high - low)))
