"""The link each method learned beside the true one, seed by seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prefgrid.figures.layout import frame, hide
from prefgrid.figures.style import INK, QUIET, MethodStyle, method_styles, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.single_index.figures.cells import chosen_shifts, present, shown

READS = ("links",)
USES = ("methods", "pareto_shifts")
TITLE = "Learned and true link"
CAPTION = (
    "What each method takes the chance of a preference to be, against its own index t. The "
    "index's scale carries no meaning, so it is shown in its own standard deviations. The true "
    "link (dashed) is the mean of Ψ(u) over held-out pairs near that index; it is flatter than Ψ "
    "itself where the index is noisy. A hinge loss has no link."
)

MOST_COLUMNS = 6
PANEL_INCHES = 1.25
# Between blocks of panels, where names of two lines and tick labels need room.
SPACER_INCHES = 0.4
TITLE_SIZE = 9.5
# Bold characters of that size that fit over all columns together.
CHARACTERS_ABREAST = 84
MOST_SEEDS = 20
INDEX_LIMIT = 3.0
# Within ±2 sd lie nearly all pairs; beyond, the learned link stands on a handful.
GAP_LIMIT = 2.0
TRUE_LINE = {"color": INK, "linewidth": 1.2, "linestyle": (0, (4, 2))}


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(read_table(*files["links"]), spec["methods"], spec["pareto_shifts"])


def draw(links: pd.DataFrame, methods: Sequence[str], shifts: Sequence[float]) -> Figure:
    """At the largest n, the smallest τ and the chosen `shifts` (in the grid, else ValueError).

    `links`: `method, seed, shift, tau, n, index_sd, learned, true`, on one grid of `index_sd`;
    `learned` is NaN for a method whose objective has no link. At most 20 seeds are drawn as lines;
    the true link and the gap are means over all.
    """
    data, cell = shown(links)
    rows = chosen_shifts(data, shifts)
    data = data[data["shift"].isin(rows)]
    styles = method_styles(methods)
    methods = present(data, methods)
    blocks = -(-len(methods) // MOST_COLUMNS)
    columns = -(-len(methods) // blocks)
    handles = [
        Line2D([], [], color=QUIET, linewidth=1.2, label="learned link, one line a seed"),
        Line2D([], [], label="true link: mean of Ψ(u) at this index, over seeds", **TRUE_LINE),
    ]
    with theme():
        figure, axes = frame(
            ([PANEL_INCHES] * len(rows) + [SPACER_INCHES]) * (blocks - 1)
            + [PANEL_INCHES] * len(rows),
            columns,
            "Learned and true link on held-out pairs",
            _subtitle(links, data, rows, cell),
            [handles],
            left=0.95,
            row_gap=0.16,
            column_gap=0.14,
            share_x=True,
            share_y=True,
        )
        hide(axes.ravel())
        for place, method in enumerate(methods):
            block, column = divmod(place, columns)
            for position, shift in enumerate(rows):
                axis = axes[block * (len(rows) + 1) + position, column]
                axis.set_visible(True)
                own = data[(data["method"] == method) & (data["shift"] == shift)]
                _panel(axis, own, styles[method])
                if position == 0:
                    name = styles[method].name.replace(" (", "\n(")
                    size = _title_size(name, columns)
                    axis.set_title(name, color=styles[method].colour, fontsize=size)
                if column == 0:
                    axis.set_ylabel(f"shift {shift:g}\nP(1 preferred)", fontsize=9)
                # The lowest panel of its column: the last block may have fewer columns.
                if position == len(rows) - 1 and place + columns >= len(methods):
                    axis.tick_params(labelbottom=True)
                    axis.set_xlabel("Index t / sd(t)", fontsize=9)
        return figure


def _subtitle(links: pd.DataFrame, data: pd.DataFrame, rows: list[float], cell: str) -> str:
    seeds, others = data["seed"].nunique(), sorted(set(links["shift"]) - set(rows))
    drawn = f"first {MOST_SEEDS} of {seeds:,} seeds" if seeds > MOST_SEEDS else f"{seeds} seeds"
    words = f"{cell}; {drawn if seeds > 1 else 'one seed'}"
    if others:
        words += f"; shifts not drawn: {', '.join(f'{shift:g}' for shift in others)}"
    return (
        f"{words}. Gap: mean |learned − true| for |t| ≤\u00a0{GAP_LIMIT:g}\u00a0sd, mean over seeds"
    )


def _title_size(name: str, columns: int) -> float:
    """Font size in points with which the longest line stays within its column."""
    longest = max(len(line) for line in name.splitlines())
    return min(TITLE_SIZE, TITLE_SIZE * CHARACTERS_ABREAST / (columns * longest))


def _panel(axis: Axes, runs: pd.DataFrame, style: MethodStyle) -> None:
    axis.set_xlim(-INDEX_LIMIT, INDEX_LIMIT)
    axis.set_ylim(-0.04, 1.04)
    axis.set_xticks([-2, 0, 2])
    axis.set_yticks([0, 0.5, 1.0], ["0", "0.5", "1"])
    if runs.empty:
        _remark(axis, "missing")
        return
    alpha = 0.75 if runs["seed"].nunique() <= 5 else 0.4
    for _, run in list(runs.groupby("seed", sort=True))[:MOST_SEEDS]:
        axis.plot(run["index_sd"], run["learned"], color=style.colour, linewidth=1.1, alpha=alpha)
    true = runs.groupby("index_sd")["true"].mean()
    axis.plot(true.index, true, **TRUE_LINE)
    inner = runs[runs["index_sd"].abs() <= GAP_LIMIT]
    gap = (inner["learned"] - inner["true"]).abs().mean()
    _remark(axis, "no link" if np.isnan(gap) else f"gap {gap:.3f}")


def _remark(axis: Axes, text: str) -> None:
    axis.text(
        0.04,
        0.95,
        text,
        transform=axis.transAxes,
        va="top",
        fontsize=8,
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.2},
    )
