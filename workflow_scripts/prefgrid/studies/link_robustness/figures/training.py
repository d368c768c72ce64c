"""Training curves, chosen and rejected log-ratios among them: rows are metrics, columns shifts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

from prefgrid.figures.layout import frame, line_kwargs, method_handle, shift_title
from prefgrid.figures.style import INK, QUIET, MethodStyle, method_styles, theme
from prefgrid.files.reading import read_table

READS = ("training",)
USES = ("methods",)
TITLE = "Training curves"
CAPTION = (
    "Losses of different objectives are on different scales and cannot be compared. The log-ratio "
    "of chosen responses often falls below zero: the loss only asks for a margin between chosen "
    "and rejected, so this alone is no sign of trouble."
)

# Shares of a run over which a curve is averaged: single batches are too noisy to compare.
WINDOW_SHARE = 0.08
ROWS = (
    ("loss", "Loss (scale\nof its method)"),
    ("log_ratio", "Log-ratio to the\nreference (nats)"),
    ("margin", "Index margin\n(nats)"),
    ("pair_accuracy", "Pair accuracy\n(training batch)"),
    ("grad_norm", "Gradient norm"),
)
REJECTED_LINE = (0, (2.2, 1.4))
MOST_COLUMNS = 4


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(read_table(*files["training"]), spec["methods"])


def draw(metrics: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """At the largest n, means over seeds.

    `metrics`: `method, seed, shift, n, step, loss, margin, chosen_log_ratio, rejected_log_ratio,
    pair_accuracy, grad_norm, examples_seen`, one row an optimizer step. Shows the outermost shifts
    only when there are more than four.
    """
    n = int(metrics["n"].max())
    data = metrics[metrics["n"] == n]
    shifts = sorted(data["shift"].unique())
    if len(shifts) > MOST_COLUMNS:
        shifts = [shifts[0], shifts[-1]]
    present = [method for method in methods if (data["method"] == method).any()]
    styles = method_styles(methods)
    handles = [
        [method_handle(styles[method], marker=False) for method in present],
        [
            Line2D([], [], color=INK, label="log-ratio of the chosen response"),
            Line2D([], [], color=INK, linestyle=REJECTED_LINE, label="of the rejected response"),
        ],
    ]
    seeds = data["seed"].nunique()
    over = f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    with theme():
        figure, axes = frame(
            [1.35, 1.9, 1.35, 1.35, 1.35],
            len(shifts),
            "Training curves",
            f"n = {n:,} preference pairs; {over}, running mean over {WINDOW_SHARE:.0%} of a run. "
            "Chosen log-ratios that fall below 0 are expected: the margin is what is trained.",
            handles,
            left=0.95,
            row_gap=0.24,
            share_x="col",
        )
        for column, shift in enumerate(shifts):
            here = data[data["shift"] == shift]
            axes[0, column].set_title(shift_title(shift))
            axes[-1, column].set_xlabel("Training pairs seen")
            axes[-1, column].xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            for (name, _), axis in zip(ROWS, axes[:, column], strict=True):
                for method in present:
                    _curves(axis, here[here["method"] == method], name, styles[method])
                if name == "log_ratio":
                    axis.axhline(0, color=QUIET, linewidth=0.9, zorder=1)
        for (_, label), axis in zip(ROWS, axes[:, 0], strict=True):
            axis.set_ylabel(label)
        figure.align_ylabels(axes[:, 0])
        return figure


def _curves(axis: Axes, runs: pd.DataFrame, name: str, style: MethodStyle) -> None:
    if name != "log_ratio":
        axis.plot(*_smoothed(runs, name), **(line_kwargs(style) | {"linewidth": 1.6}))
        return
    axis.plot(*_smoothed(runs, "chosen_log_ratio"), color=style.colour, linewidth=1.6)
    axis.plot(
        *_smoothed(runs, "rejected_log_ratio"),
        color=style.colour,
        linewidth=1.6,
        linestyle=REJECTED_LINE,
    )


def _smoothed(runs: pd.DataFrame, column: str) -> tuple[pd.Series, pd.Series]:
    """(examples seen, running mean of the mean over seeds)."""
    mean = runs.groupby("examples_seen", sort=True)[column].mean()
    window = max(1, round(WINDOW_SHARE * len(mean)))
    smooth = mean.rolling(window, min_periods=1, center=True).mean()
    return smooth.index, smooth
