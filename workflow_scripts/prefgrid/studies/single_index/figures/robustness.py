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
from prefgrid.studies.at_kl import rows_at
from prefgrid.studies.single_index.figures import by_shift
from prefgrid.studies.single_index.figures.cells import present, seeds_words, shown
from prefgrid.studies.single_index.names import GROUPS, ORACLE

READS = ("runs",)
USES = ("methods", "baseline", "kappas")
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
    return draw(read_table(*files["runs"]), spec["methods"], spec["baseline"], spec["kappas"])


def draw(
    runs: pd.DataFrame, methods: Sequence[str], baseline: str, kappas_nats: Sequence[float]
) -> Figure:
    """At the largest n and the smallest τ, a column of panels a KL.

    `runs`: `method, seed, shift, tau, n, kappa_nats, reward`, one row a run and KL, `reward` at that KL,
    NaN if out of reach; the oracle's rows under the method "oracle" (may be absent).
    """
    data, cell = shown(runs)
    styles = method_styles(methods)
    methods = present(data, methods)
    shifts = sorted(data["shift"].unique())
    learners = data[data["method"].isin(methods)]
    seeds = learners["seed"].unique()
    each = [rows_at(learners, kappa_nats) for kappa_nats in kappas_nats]
    levels = [over_seeds(own, "reward", GROUPS, methods, seeds) for own in each]
    oracle = data[data["method"] == ORACLE].groupby(["kappa_nats", "shift"])["reward"].mean()
    compare = baseline in methods and len(methods) > 1
    marks = by_shift.interval_handles(levels)
    if len(oracle):
        marks.append(Line2D([], [], label="Oracle: the true reward, scanned", **ORACLE_LINE))
    listed = ", ".join(f"{kappa_nats:g}" for kappa_nats in kappas_nats)
    at = [f" at KL {kappa_nats:g}" if len(kappas_nats) > 1 else "" for kappa_nats in kappas_nats]
    with theme():
        figure, axes = frame(
            [3.3, 2.9] if compare else [3.6],
            len(kappas_nats),
            f"Reward at KL {listed}, against the link's shift",
            f"{cell}; {seeds_words(len(seeds))}",
            [[method_handle(styles[method]) for method in methods], marks],
            left=0.8,
            bottom=0.78,
            row_gap=0.5,
            share_x=True,
        )
        points = [by_shift.points(table, "mean", methods, styles) for table in levels]
        cut = draw_points(list(zip(axes[0], points, strict=True)), "no policy reaches this KL")
        for axis, own, kappa_nats, words in zip(axes[0], points, kappas_nats, at, strict=True):
            by_shift.connect(axis, own)
            if axis.axison and len(oracle):
                _oracle(axis, oracle.loc[kappa_nats].reindex(shifts))
            axis.set_title(f"Reward{words}")
        axes[0, 0].set_ylabel("Mean reward")
        if compare:
            gaps = [paired(own, "reward", GROUPS, [(methods, baseline)]) for own in each]
            points = [by_shift.points(table, "difference", methods, styles) for table in gaps]
            cut |= draw_points(
                list(zip(axes[1], points, strict=True)),
                "no seed reaches this KL with both",
                styles[baseline],
            )
            axes[1, 0].set_ylabel(f"Reward minus {styles[baseline].name}'s")
            for axis, words in zip(axes[1], at, strict=True):
                axis.set_title(
                    f"Difference to {styles[baseline].name}{words or ', paired by seed'}"
                )
        for axis in axes.ravel():
            shift_axis(axis, shifts)
        if compare:
            for axis in axes[0]:
                axis.set_xlabel("")
        figure.align_ylabels(axes[:, 0])
        if cut:
            note(axes[-1, -1], "arrow heads: the interval goes on beyond the panel")
        return figure


def _oracle(axis: Axes, reward: pd.Series) -> None:
    """The oracle's mean over seeds (NaN: none), across each shift's part of the panel."""
    edges = np.arange(len(reward))[:, None] + [-0.5, 0.5]
    axis.plot(edges.ravel(), np.repeat(reward, 2), zorder=1, **ORACLE_LINE)
    low, high = axis.get_ylim()
    if reward.notna().any():
        axis.set_ylim(low, max(high, reward.max() + 0.06 * (high - low)))
