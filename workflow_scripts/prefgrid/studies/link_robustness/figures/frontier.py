"""Reward against KL, one panel a shift: what each method buys with its KL, and by how much it
differs from the baseline at the same KL."""

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
from prefgrid.figures.layout import line_kwargs, marker_kwargs, method_handle, padded, shift_title
from prefgrid.figures.style import INK, QUIET, MethodStyle, method_styles, theme
from prefgrid.files.reading import read_table
from prefgrid.statistics.oracle import drawable
from prefgrid.statistics.reference import Reference, controlled_evaluations, scan_noise, summarise
from prefgrid.studies.link_robustness import inputs

READS = ("evaluations", "reference_samples")
USES = ("methods", "baseline", "kappas", "samples")
TITLE = "Reward against KL"
CAPTION = (
    "Each policy is decoded with a range of weights β, from close to the reference (left) to "
    "beyond the trained policy (right); higher at the same KL is better. Below: the same curves "
    "minus the baseline's, paired by seed. Bands go from the lowest to the highest seed and are "
    "no confidence interval. The dashed oracle is an estimate from reference samples alone, drawn "
    "only as far as its mean effective sample size is at least 10; learners may cross it by "
    "noise. What the scan's random numbers add to the reference's own rewards is subtracted, so "
    "that all curves start at the reference."
)

SMALLEST_KL_LIMIT = 3.0
GRID_POINTS = 241
MOST_COLUMNS = 3
BAND_ALPHA = 0.14


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    samples = inputs.reference_samples(
        files["reference_samples"], ["prompt_id", "sample", "reward"]
    )
    noise = scan_noise(samples, spec["samples"])
    return draw(
        controlled_evaluations(read_table(*files["evaluations"]), noise),
        summarise(samples),
        drawable(samples),
        spec["methods"],
        spec["baseline"],
        spec["kappas"],
    )


def draw(
    evaluations: pd.DataFrame,
    reference: Reference,
    oracle: pd.DataFrame,
    methods: Sequence[str],
    baseline: str,
    kappas_nats: Sequence[float],
) -> Figure:
    """Frontiers at the largest n.

    `evaluations`: `method, seed, shift, n, beta, avg_reward, kl_div`, freed of the scans' common
    noise (`statistics.reference.controlled_evaluations`). `oracle`: `kl_nats, reward`
    (may be empty). Curves: mean over seeds at equal KL, where every seed was scanned; bands: lowest
    to highest seed; dots: the scanned points.
    """
    largest_n = int(evaluations["n"].max())
    data = evaluations[evaluations["n"] == largest_n]
    data = data.assign(
        gain=reference.gain(data["avg_reward"]), root=np.sqrt(data["kl_div"].clip(0))
    )
    shifts = sorted(data["shift"].unique())
    present = [method for method in methods if (data["method"] == method).any()]
    styles = {label: style for label, style in method_styles(methods).items() if label in present}
    limit = min(data["kl_div"].max(), max(SMALLEST_KL_LIMIT, 2 * max(kappas_nats)))
    grid = np.linspace(0, np.sqrt(limit), GRID_POINTS)
    oracle = oracle[oracle["kl_nats"] <= limit]
    compare = baseline in present and len(present) > 1
    heights = [3.0, 1.3] if compare else [3.3]
    with theme():
        figure, axes = panel_blocks(
            heights,
            len(shifts),
            MOST_COLUMNS,
            _subtitle(data, largest_n),
            _handles(styles, len(oracle) > 0),
            left=0.8,
            right=0.66,
        )
        columns = axes.shape[2]
        for position, shift in enumerate(shifts):
            block, column = divmod(position, columns)
            here = data[data["shift"] == shift]
            curves = {method: _curves(here[here["method"] == method], grid) for method in present}
            panels = axes[block, :, column]
            _frontiers(panels[0], here[here["kl_div"] <= limit], curves, grid, styles)
            panels[0].plot(
                np.sqrt(oracle["kl_nats"]), reference.gain(oracle["reward"]), **ORACLE_LINE
            )
            panels[0].set_title(shift_title(shift))
            if compare:
                _gaps(panels[1], curves, grid, styles, baseline)
            for axis in panels:
                kl_axis(axis, limit, kappas_nats)
            panels[-1].tick_params(labelbottom=True)
            panels[-1].set_xlabel("KL (nats per response)")
            if position == len(shifts) - 1 or column == columns - 1:
                _raw_reward_axis(panels[0], reference)
        for block in axes:
            block[0, 0].set_ylabel("Reward gain (reference sd)")
            if compare:
                block[1, 0].set_ylabel(f"Minus {styles[baseline].name} (sd)")
        figure.align_ylabels(axes[:, :, 0].ravel())
        _limits(axes)
        name_kappas(axes[0, 0, 0], limit, kappas_nats)
        return figure


def _subtitle(data: pd.DataFrame, n: int) -> str:
    seeds = data["seed"].nunique()
    band = f"mean of {seeds} seeds, band = lowest to highest seed" if seeds > 1 else "one seed"
    return f"n = {n:,} preference pairs; each curve is traced by β; {band}; √KL axis"


def _handles(styles: dict[str, MethodStyle], has_oracle: bool) -> list[Line2D]:
    handles = [method_handle(style) for style in styles.values()]
    handles.append(
        Line2D([], [], color=INK, marker="o", markersize=6, linestyle="", label="Reference")
    )
    if has_oracle:
        handles.append(Line2D([], [], label="Oracle (estimate)", **ORACLE_LINE))
    return handles


def _curves(runs: pd.DataFrame, grid: np.ndarray) -> pd.DataFrame:
    """Gain of each seed's curve (rows: seeds) over `grid`, a grid of √KL; NaN off its scan."""
    rows = {}
    for seed, run in runs.sort_values("root", kind="stable").groupby("seed", sort=True):
        # The reference is every scan's end point: KL 0, gain 0.
        root, gain = np.append(0, run["root"]), np.append(0, run["gain"])
        rows[seed] = np.interp(grid, root, gain, right=np.nan)
    return pd.DataFrame.from_dict(rows, orient="index", columns=range(grid.size), dtype=float)


def _band(axis: Axes, curves: pd.DataFrame, grid: np.ndarray, style: MethodStyle) -> None:
    """Mean over seeds where all seeds have a value, and the range from lowest to highest."""
    everywhere = curves.notna().all()
    low, high = curves.min()[everywhere], curves.max()[everywhere]
    inside = grid[everywhere.to_numpy()]
    if len(curves) > 1:
        axis.fill_between(inside, low, high, color=style.colour, alpha=BAND_ALPHA, linewidth=0)
    axis.plot(inside, curves.mean()[everywhere], **line_kwargs(style))


def _frontiers(
    axis: Axes,
    points: pd.DataFrame,
    curves: dict[str, pd.DataFrame],
    grid: np.ndarray,
    styles: dict[str, MethodStyle],
) -> None:
    for method, style in styles.items():
        _band(axis, curves[method], grid, style)
        own = points[points["method"] == method]
        axis.plot(own["root"], own["gain"], linestyle="", alpha=0.55, **marker_kwargs(style, 3.4))
    axis.plot([0], [0], marker="o", color=INK, markersize=6.5, zorder=5, clip_on=False)


def _gaps(
    axis: Axes,
    curves: dict[str, pd.DataFrame],
    grid: np.ndarray,
    styles: dict[str, MethodStyle],
    baseline: str,
) -> None:
    """Differences to the baseline at equal KL, paired by seed."""
    axis.axhline(0, **line_kwargs(styles[baseline]))
    for method, style in styles.items():
        if method != baseline:
            _band(axis, curves[method].sub(curves[baseline]).dropna(how="all"), grid, style)
    axis.yaxis.set_major_locator(MaxNLocator(5))


def _raw_reward_axis(axis: Axes, reference: Reference) -> None:
    """The same reward in the reward model's own unit, on the right."""
    second = axis.secondary_yaxis(
        "right",
        functions=(
            lambda gain: reference.reward_mean + gain * reference.reward_sd,
            lambda reward: reference.gain(reward),
        ),
    )
    second.set_ylabel("Mean reward (reward model)", color=QUIET)
    second.tick_params(labelcolor=QUIET)


def _limits(axes: np.ndarray) -> None:
    """One reward scale for all panels, and one for all differences, so shifts can be compared."""
    for kind in range(axes.shape[1]):
        panels = [axis for axis in axes[:, kind].ravel() if axis.get_visible()]
        low = min(axis.dataLim.y0 for axis in panels)
        high = max(axis.dataLim.y1 for axis in panels)
        for axis in panels:
            axis.set_ylim(padded(low, high, 0.05))
