"""The learned link beside the true one, on held-out pairs: one panel a (shift, method)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prefgrid import links
from prefgrid.figures.layout import frame
from prefgrid.figures.style import INK, QUIET, MethodStyle, method_styles, theme
from prefgrid.files.reading import read_table
from prefgrid.statistics.calibration import binned, summarise

READS = ("indices",)
USES = ("methods", "link_temperature")
TITLE = "Learned and true link"
CAPTION = (
    "The index t is what a policy says about a pair; its scale carries no meaning, so it is shown "
    "in its own standard deviations. A calibrated link (coloured) runs through the dots, the true "
    "probability averaged over bins of t. The dots are flatter than the true link (dashed) where "
    "the index is noisy. ECE: expected calibration error."
)

INDEX_LIMIT = 3.0
MOST_COLUMNS = 4
TRUE_LINE = {"color": INK, "linewidth": 1.2, "linestyle": (0, (4, 2))}


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(read_table(*files["indices"]), spec["methods"], spec["link_temperature"])


def draw(indices: pd.DataFrame, methods: Sequence[str], link_temperature: float) -> Figure:
    """At the largest n.

    `indices`: `method, seed, shift, n, index_nats, utility_diff, link_probability,
    true_probability` of held-out pairs; `link_probability` is NaN for a method without a link,
    whose panels say so. The index is shown in units of its own sd, since its scale is not identified
    and differs by method.
    """
    n = int(indices["n"].max())
    data = indices[indices["n"] == n]
    shifts = sorted(data["shift"].unique())
    present = [method for method in methods if (data["method"] == method).any()]
    styles = method_styles(methods)
    columns = min(len(present), MOST_COLUMNS)
    blocks = -(-len(present) // columns)
    handles = [
        Line2D([], [], color=QUIET, linewidth=2, label="learned link, one line a seed"),
        Line2D([], [], label="true link, fitted axis", **TRUE_LINE),
        Line2D(
            [],
            [],
            color=INK,
            marker="o",
            linestyle="",
            markersize=4.5,
            label="true probability, mean of a bin",
        ),
    ]
    with theme():
        figure, axes = frame(
            [2.0] * (len(shifts) * blocks),
            columns,
            "Learned and true link on held-out pairs",
            f"n = {n:,} preference pairs; a calibrated method's line runs through the dots",
            [handles],
            left=0.95,
            row_gap=0.38,
            column_gap=0.22,
            share_x=True,
            share_y=True,
        )
        for axis in axes.ravel():
            axis.set_visible(False)
        for block in range(blocks):
            for position, shift in enumerate(shifts):
                row = block * len(shifts) + position
                for column, method in enumerate(present[block * columns : (block + 1) * columns]):
                    axis = axes[row, column]
                    axis.set_visible(True)
                    own = data[(data["method"] == method) & (data["shift"] == shift)]
                    _panel(axis, own, styles[method], shift, link_temperature)
                    if position == 0:
                        axis.set_title(styles[method].name, color=styles[method].colour)
                    if column == 0:
                        axis.set_ylabel(f"shift {shift:g}\nP(response 1 preferred)")
        for axis in axes[-1]:
            axis.set_xlabel("Index t / sd(t)")
        return figure


def _panel(
    axis: Axes, pairs: pd.DataFrame, style: MethodStyle, shift: float, temperature: float
) -> None:
    axis.set_xlim(-INDEX_LIMIT, INDEX_LIMIT)
    axis.set_ylim(-0.03, 1.03)
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "", "0.5", "", "1"])
    if pairs.empty:
        axis.text(0.5, 0.5, "missing", transform=axis.transAxes, ha="center", color=QUIET)
        return
    scaled = []
    for _, run in pairs.groupby("seed", sort=True):
        run = run.sort_values("index_nats")
        index = run["index_nats"] / (run["index_nats"].std(ddof=0) or 1.0)
        axis.plot(index, run["link_probability"], color=style.colour, linewidth=1.8, alpha=0.8)
        scaled.append(run.assign(index=index))
    pooled = pd.concat(scaled)
    grid = np.linspace(-INDEX_LIMIT, INDEX_LIMIT, 241)
    # Least squares of u on t through 0: where the index would sit if it were a scaled utility.
    slope = (pooled["index"] * pooled["utility_diff"]).sum() / (pooled["index"] ** 2).sum()
    axis.plot(grid, links.mixture(slope * grid, shift, temperature), **TRUE_LINE)
    dots = binned(pooled["index"].to_numpy(), pooled["true_probability"].to_numpy())
    axis.errorbar(
        dots["index"],
        dots["probability"],
        yerr=1.96 * dots["probability_se"],
        color=INK,
        linestyle="",
        marker="o",
        markersize=4,
        elinewidth=1.0,
        zorder=4,
    )
    runs = pd.DataFrame([summarise(run) for _, run in pairs.groupby("seed", sort=True)]).mean()
    error = runs["calibration_error"]
    axis.text(
        0.04,
        0.96,
        f"Spearman {runs['spearman']:.2f}\npair acc. {runs['pair_accuracy']:.2f}\n"
        + ("no link" if np.isnan(error) else f"ECE {error:.3f}"),
        transform=axis.transAxes,
        va="top",
        fontsize=8,
        color=INK,
        linespacing=1.35,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
    )
