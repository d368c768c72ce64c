"""What both studies' figures of reward against KL share: blocks of panels over one √KL axis."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prefgrid.figures.layout import frame, hide, wrap
from prefgrid.figures.style import INK, QUIET

KL_TICKS = np.array([0, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 20, 40, 80, 160])
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


def kl_axis(axis: Axes, limit_nats: float, kappa_nats: float) -> None:
    """Ticks in nats on an axis of √KL up to `limit_nats`, and a line at κ."""
    ticks = KL_TICKS[limit_nats >= KL_TICKS]
    axis.set_xticks(np.sqrt(ticks), [f"{tick:g}" for tick in ticks])
    axis.set_xlim(-0.012 * np.sqrt(limit_nats), 1.02 * np.sqrt(limit_nats))
    axis.axvline(np.sqrt(kappa_nats), color=QUIET, linewidth=1.0, linestyle=":", zorder=1)


def name_kappa(axis: Axes, kappa_nats: float) -> None:
    """Writes κ beside its line, at the foot of the panel."""
    axis.annotate(
        f"κ = {kappa_nats:g}",
        (np.sqrt(kappa_nats), 0),
        xycoords=("data", "axes fraction"),
        xytext=(4, 5),
        textcoords="offset points",
        fontsize=8.5,
        color=QUIET,
    )
