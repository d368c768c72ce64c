"""Reward against KL at chosen shifts, under the oracle's, and the difference to the baseline at
equal KL."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from prefgrid.figures.kl_panels import ORACLE_LINE, kl_axis, name_kappas, panel_blocks
from prefgrid.figures.layout import (
    line_kwargs,
    marker_kwargs,
    method_handle,
    padded,
    shift_title,
    words_alone,
)
from prefgrid.figures.style import QUIET, MethodStyle, method_styles, theme
from prefgrid.files.reading import read_table
from prefgrid.statistics.intervals import t_interval
from prefgrid.studies.single_index.figures.cells import chosen_shifts, present, shown
from prefgrid.studies.single_index.names import ORACLE

READS = ("curves",)
USES = ("methods", "baseline", "kappas", "pareto_shifts")
TITLE = "Reward against KL"
CAPTION = (
    "Each curve is one method's policy from the largest β, close to the reference (left), to the "
    "smallest (right). Curves are joined in √KL and averaged over seeds at equal KL, where every "
    "seed was scanned. Below: the differences to the baseline at equal KL, paired by seed. Marks "
    "only tell the curves apart; they are no scanned points."
)

GRID_POINTS = 161
MOST_COLUMNS = 2
BAND_ALPHA = 0.13
MARKS_A_CURVE = 4
NO_COMMON_KL = "no KL is common to all seeds"


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(
        read_table(*files["curves"]),
        spec["methods"],
        spec["baseline"],
        spec["kappas"],
        spec["pareto_shifts"],
    )


def draw(
    curves: pd.DataFrame,
    methods: Sequence[str],
    baseline: str,
    kappas_nats: Sequence[float],
    shifts: Sequence[float],
) -> Figure:
    """At the largest n, the smallest τ and the chosen `shifts` (in the grid, else ValueError).

    `curves`: `method, seed, shift, tau, n, beta, avg_reward, kl_div`, the oracle's under the method
    "oracle" (may be absent). A run's points are joined linearly in √KL; means and intervals are
    taken over seeds at equal KL, where every seed was scanned: averaging at equal β would mix
    policies of different KL.
    """
    data, cell = shown(curves)
    chosen = chosen_shifts(data, shifts)
    data = data[data["shift"].isin(chosen)]
    data = data.assign(root=np.sqrt(data["kl_div"].clip(0)))
    looks = method_styles(methods)
    methods = present(data, methods)
    styles = {method: looks[method] for method in methods}
    limit = float(data.loc[data["method"].isin(methods), "kl_div"].max())
    grid = np.linspace(0, np.sqrt(limit), GRID_POINTS)
    compare = baseline in methods and len(methods) > 1
    heights = [3.0, 2.3] if compare else [3.3]
    handles = [method_handle(style) for style in styles.values()]
    if (data["method"] == ORACLE).any():
        handles.append(Line2D([], [], label="Oracle: the true reward, scanned", **ORACLE_LINE))
    with theme():
        figure, axes = panel_blocks(
            heights,
            len(chosen),
            MOST_COLUMNS,
            _subtitle(data, cell, compare),
            handles,
            left=0.8,
        )
        columns = axes.shape[2]
        for position, shift in enumerate(chosen):
            here = data[data["shift"] == shift]
            by_method = {
                method: _by_seed(here[here["method"] == method], grid)
                for method in [*methods, ORACLE]
            }
            panels = axes[position // columns, :, position % columns]
            _levels(panels[0], by_method, grid, styles)
            panels[0].set_title(shift_title(shift))
            if compare:
                _gaps(panels[1], by_method, grid, styles, baseline)
            drawn = [axis for axis in panels if axis.axison]
            for axis in drawn:
                kl_axis(axis, limit, kappas_nats)
            for axis in drawn[-1:]:
                axis.tick_params(labelbottom=True)
                axis.set_xlabel("KL (nats)")
        for block in axes:
            block[0, 0].set_ylabel("Mean reward")
            if compare:
                block[1, 0].set_ylabel(f"Reward minus {styles[baseline].name}'s")
        figure.align_ylabels(axes[:, :, 0].ravel())
        _limits(axes)
        name_kappas(axes[0, 0, 0], limit, kappas_nats)
        return figure


def _subtitle(data: pd.DataFrame, cell: str, compare: bool) -> str:
    seeds = data["seed"].nunique()
    start = f"{cell}; each curve is traced by β; √KL axis"
    if seeds == 1:
        return f"{start}; one seed"
    band = "; bands below: 95 % t intervals of the difference paired by seed" if compare else ""
    return f"{start}; means of {seeds:,} seeds at equal KL, where all were scanned{band}"


def _by_seed(runs: pd.DataFrame, grid: np.ndarray) -> pd.DataFrame:
    """Reward of each seed's curve (rows: seeds) over `grid`, a grid of √KL; NaN off its scan."""
    rows = {
        seed: np.interp(grid, run["root"], run["avg_reward"], left=np.nan, right=np.nan)
        for seed, run in runs.sort_values("root", kind="stable").groupby("seed", sort=True)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=range(grid.size), dtype=float)


def _levels(
    axis: Axes,
    by_method: dict[str, pd.DataFrame],
    grid: np.ndarray,
    styles: dict[str, MethodStyle],
) -> None:
    """Means over seeds, without bands: seeds have teachers of their own, whose rewards differ far
    more than the methods do."""
    axis.plot(grid, by_method[ORACLE].mean(skipna=False), **ORACLE_LINE)
    for place, (method, style) in enumerate(styles.items()):
        axis.plot(grid, by_method[method].mean(skipna=False), **_line(style, place, len(styles)))
    absent = [
        style.name
        for method, style in styles.items()
        if not by_method[method].notna().all().any() or by_method[method].empty
    ]
    if len(absent) == len(styles) and by_method[ORACLE].empty:
        words_alone(axis, NO_COMMON_KL)
    elif absent:
        text = "\n".join(["not drawn, no common KL:", *absent])
        where = {"transform": axis.transAxes, "ha": "right", "va": "bottom"}
        axis.text(0.98, 0.03, text, fontsize=8.5, color=QUIET, **where)


def _gaps(
    axis: Axes,
    by_method: dict[str, pd.DataFrame],
    grid: np.ndarray,
    styles: dict[str, MethodStyle],
    baseline: str,
) -> None:
    """Differences to the baseline at equal KL, paired by seed, with t intervals."""
    drawn = False
    for place, (method, style) in enumerate(styles.items()):
        if method == baseline:
            continue
        gaps = by_method[method] - by_method[baseline]
        complete = gaps.columns[gaps.notna().all()]
        intervals = np.array([t_interval(gaps[column].to_numpy())[:3] for column in complete])
        if not len(complete):
            continue
        drawn = True
        mean, low, high = intervals.T
        inside = grid[complete]
        axis.fill_between(inside, low, high, color=style.colour, alpha=BAND_ALPHA, linewidth=0)
        axis.plot(inside, mean, **_line(style, place, len(styles)))
    if not drawn:
        words_alone(axis, NO_COMMON_KL)
        return
    axis.axhline(0, **line_kwargs(styles[baseline]))
    axis.yaxis.set_major_locator(MaxNLocator(6))


def _line(style: MethodStyle, place: int, count: int) -> dict[str, Any]:
    """A curve with a few marks, at other points for every method: where curves coincide, the marks
    of all of them can be seen."""
    first = GRID_POINTS // (MARKS_A_CURVE * 2) + place * GRID_POINTS // (MARKS_A_CURVE * count)
    every = (first, GRID_POINTS // MARKS_A_CURVE)
    return line_kwargs(style) | marker_kwargs(style, 4.5) | {"linewidth": 1.5, "markevery": every}


def _limits(axes: np.ndarray) -> None:
    """One reward scale for all panels, and one for all differences, so shifts can be compared.

    Curves are shown whole, bands only up to a bound: those of two seeds are far wider than all else.
    """
    for kind in range(axes.shape[1]):
        panels = [axis for axis in axes[:, kind].ravel() if axis.get_visible()]
        curves = [line.get_ydata() for axis in panels for line in axis.lines]
        # Lines of two points are κ and zero, not curves.
        values = np.concatenate([[], *(curve for curve in curves if len(curve) > 2)])
        values = values[np.isfinite(values)]
        if not values.size:
            continue
        low, high = values.min(), values.max()
        reach = 0.9 * (high - low)
        low = max(low - reach, min(axis.dataLim.y0 for axis in panels))
        high = min(high + reach, max(axis.dataLim.y1 for axis in panels))
        for axis in panels:
            axis.set_ylim(padded(low, high, 0.05))
