"""Points with two intervals, used wherever a figure shows a value at one KL.

Thin line: t interval over seeds. Thick line: prompt-level interval, conditional on the seeds.
Dashes: the seeds. An interval that leaves the panel ends in an arrow head.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from prefgrid.figures.layout import marker_kwargs, padded, words_alone
from prefgrid.figures.style import INK, QUIET, MethodStyle


@dataclass(frozen=True)
class Point:
    """One value at `x` with its intervals (low, high); NaN where undefined, mean NaN if missing."""

    x: float
    mean: float
    over_seeds: tuple[float, float]
    over_prompts: tuple[float, float]
    style: MethodStyle
    seeds: np.ndarray = field(default_factory=lambda: np.empty(0))
    size: float = 6.0


def draw(
    panels: Sequence[tuple[Axes, Sequence[Point]]],
    nothing: str,
    baseline: MethodStyle | None = None,
) -> bool:
    """Draw each panel's points on one common scale; True if an interval had to be cut.

    `nothing`: what a panel says without axes if all of its points are missing. `baseline`: of
    differences, whose line at 0 is drawn.
    """
    points = [point for _, listed in panels for point in listed]
    view = _view(points, None if baseline is None else 0.0)
    for axis, listed in panels:
        axis.set_ylim(view)
        if all(np.isnan(point.mean) for point in listed):
            words_alone(axis, nothing)
            continue
        for point in listed:
            _draw_point(axis, point, view)
        if baseline is not None:
            axis.axhline(0, color=baseline.colour, linewidth=1.6, zorder=1)
    return any(_cut(point, view) != (False, False) for point in points)


def legend_handles(missing: bool) -> list[Line2D]:
    """What the marks mean."""
    handles = [
        Line2D([], [], color=INK, linewidth=1.1, label="95 % t interval over seeds"),
        Line2D(
            [],
            [],
            color=INK,
            linewidth=5,
            solid_capstyle="butt",
            alpha=0.3,
            label="95 % over prompts, given these seeds",
        ),
        Line2D([], [], color=INK, linestyle="", marker="_", markersize=8, label="each seed"),
    ]
    if missing:
        handles.append(
            Line2D([], [], color=QUIET, linestyle="", marker="x", markersize=6, label="missing")
        )
    return handles


def dodge(count: int, width: float) -> np.ndarray:
    """Offsets [count] around 0 that spread `count` marks over `width`."""
    return (np.arange(count) - (count - 1) / 2) * (width / max(count, 1))


def _view(points: Sequence[Point], around: float | None) -> tuple[float, float]:
    """Limits that show means, seeds and prompt intervals whole, and t intervals up to a bound.

    The t interval of two seeds is some ten times wider than all the rest, so the panel grows for
    t intervals by at most 90 % of that rest on either side.
    """
    core = [np.array([p.mean, *p.over_prompts, *p.seeds]) for p in points]
    core = np.concatenate([*core, [np.nan if around is None else around]])
    core = core[np.isfinite(core)]
    if not core.size:
        return -1.0, 1.0
    low, high = padded(core.min(), core.max(), 0.12)
    reach = 0.9 * (high - low)
    wide = np.array([end for point in points for end in point.over_seeds])
    wide = np.append(wide[np.isfinite(wide)], [low, high])
    widest = padded(wide.min(), wide.max(), 0.04)
    return max(low - reach, min(low, widest[0])), min(high + reach, max(high, widest[1]))


def _cut(point: Point, view: tuple[float, float]) -> tuple[bool, bool]:
    """Does the t interval leave the panel (below, above)?"""
    return bool(point.over_seeds[0] < view[0]), bool(point.over_seeds[1] > view[1])


def _draw_point(axis: Axes, point: Point, view: tuple[float, float]) -> None:
    colour = point.style.colour
    across = axis.get_xaxis_transform()
    if np.isnan(point.mean):
        axis.plot(
            [point.x],
            [0.035],
            transform=across,
            marker="x",
            markersize=point.size,
            markeredgewidth=1.6,
            color=colour,
        )
        return
    x = [point.x, point.x]
    axis.plot(x, point.over_seeds, color=colour, linewidth=1.1, zorder=2)
    axis.plot(
        x, point.over_prompts, color=colour, linewidth=6, alpha=0.3, solid_capstyle="butt", zorder=2
    )
    axis.plot(
        np.full(point.seeds.size, point.x),
        point.seeds,
        linestyle="",
        marker="_",
        markersize=9,
        markeredgewidth=1.2,
        color=colour,
        zorder=3,
    )
    axis.plot(x[:1], [point.mean], linestyle="", zorder=4, **marker_kwargs(point.style, point.size))
    below, above = _cut(point, view)
    for cut, height, marker in ((below, 0.012, "v"), (above, 0.988, "^")):
        if cut:
            axis.plot(
                x[:1],
                [height],
                transform=across,
                marker=marker,
                markersize=4.5,
                color=colour,
                zorder=3,
            )
