"""What both studies' figures of reward against KL share: blocks of panels over one √KL axis."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prefgrid.figures.layout import frame, hide, wrap
from prefgrid.figures.style import INK, QUIET

# In nats, from 1 on, and of each power of ten below it.
KL_TICKS = (1, 2, 3, 5, 8, 12, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120)
SMALL_KL_TICKS = (0.1, 0.25, 0.5)
SMALLEST_POWER = -12
# Of tick labels, and of the gap that two of them keep.
DIGIT_INCHES, GAP_INCHES = 0.075, 0.1
# Between blocks of panels, where tick labels, axis label and titles need room.
SPACER_INCHES = 0.2
ORACLE_LINE = {"color": INK, "linestyle": (0, (4, 2)), "linewidth": 1.3}


def panel_blocks(
    heights: Sequence[float],
    count: int,
    most_columns: int,
    subtitle: str,
    handles: Sequence[Line2D],
    **margins: float,
) -> tuple[Figure, np.ndarray]:
    """A figure of `count` columns of panels, `heights` (inches) from top to bottom, wrapped into
    blocks of at most `most_columns`; to be called inside `theme()`.

    Returns (figure, axes [block, panel from the top, column]); places beyond `count` are hidden.
    """
    blocks, columns = wrap(count, most_columns)
    figure, axes = frame(
        [*heights, SPACER_INCHES] * blocks if blocks > 1 else list(heights),
        columns,
        "Reward against KL to the reference",
        subtitle,
        [handles],
        row_gap=0.3,
        share_x=True,
        **margins,
    )
    axes = axes.reshape(blocks, -1, columns)
    hide(axes[:, len(heights) :].ravel())
    axes = axes[:, : len(heights)]
    hide(axes.transpose(0, 2, 1).reshape(blocks * columns, -1)[count:].ravel())
    return figure, axes


def kl_axis(axis: Axes, limit_nats: float, kappas_nats: Sequence[float]) -> None:
    """Ticks in nats on an axis of √KL up to `limit_nats`, and a line at each κ."""
    root = np.sqrt(limit_nats)
    inches = axis.get_position().width * axis.figure.get_figwidth()
    ticks = kl_ticks(limit_nats, inches / 1.03)
    axis.set_xticks(np.sqrt(ticks), [f"{tick:g}" for tick in ticks])
    axis.set_xlim(-0.012 * root, 1.02 * root)
    for kappa_nats in kappas_nats:
        axis.axvline(np.sqrt(kappa_nats), color=QUIET, linewidth=1.0, linestyle=":", zorder=1)


def kl_ticks(limit_nats: float, inches: float) -> list[float]:
    """Where an axis of √KL from 0 to `limit_nats`, so many inches long, is labelled, in nats: at 0 and
    at round numbers whose labels stay apart, the largest first."""
    small = [
        float(f"{tick}e{power}") for power in range(SMALLEST_POWER, 1) for tick in SMALL_KL_TICKS
    ]
    found: list[float] = []
    for tick in [0.0, *reversed([*small, *map(float, KL_TICKS)])]:
        apart = (abs(np.sqrt(tick) - np.sqrt(other)) for other in found)
        room = (_half_width(tick) + _half_width(other) + GAP_INCHES for other in found)
        scale = inches / np.sqrt(limit_nats)
        if tick <= limit_nats and all(
            gap * scale >= need for gap, need in zip(apart, room, strict=True)
        ):
            found.append(tick)
    return sorted(found)


def _half_width(tick: float) -> float:
    """Of its label, in inches."""
    return DIGIT_INCHES * len(f"{tick:g}") / 2


def name_kappas(axis: Axes, limit_nats: float, kappas_nats: Sequence[float]) -> None:
    """Writes each κ beside its line, at the foot of the panel; or that it lies beyond the axis."""
    beyond = [kappa_nats for kappa_nats in kappas_nats if kappa_nats > limit_nats]
    for kappa_nats in kappas_nats:
        if kappa_nats <= limit_nats:
            _name(axis, f"κ = {kappa_nats:g}", kappa_nats, 4, "left")
    if beyond:
        words = ", ".join(f"{kappa_nats:g}" for kappa_nats in beyond)
        _name(axis, f"κ = {words} beyond", limit_nats, -4, "right")


def _name(axis: Axes, text: str, kl_nats: float, points: float, side: str) -> None:
    axis.annotate(
        text,
        (np.sqrt(kl_nats), 0),
        xycoords=("data", "axes fraction"),
        xytext=(points, 5),
        textcoords="offset points",
        ha=side,
        fontsize=8.5,
        color=QUIET,
    )
