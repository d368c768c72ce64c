"""Figure frames: a heading, a legend row and a grid of panels, measured in inches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prefgrid.figures.style import INK, QUIET, WIDTH_INCHES, MethodStyle

HEADING_INCHES = 0.62
LEGEND_INCHES = 0.34


def frame(
    row_inches: Sequence[float],
    columns: int,
    title: str,
    subtitle: str,
    legend: Sequence[Any] = (),
    *,
    left: float = 0.72,
    right: float = 0.2,
    bottom: float = 0.55,
    row_gap: float = 0.55,
    column_gap: float = 0.35,
    share_x: str | bool = False,
    share_y: str | bool = "row",
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes [rows, columns]; `row_inches` are the panels' heights.

    Margins and gaps in inches; `legend` holds handles, put in a row (or two) under the heading.
    """
    per_row = legend_columns(legend)
    legend_rows = -(-len(legend) // per_row) if legend else 0
    top = HEADING_INCHES + legend_rows * 0.24 + (0.42 if legend else 0.30)
    height = top + sum(row_inches) + row_gap * (len(row_inches) - 1) + bottom
    figure = Figure(figsize=(WIDTH_INCHES, height))
    panel_width = (WIDTH_INCHES - left - right - column_gap * (columns - 1)) / columns
    axes = figure.subplots(
        len(row_inches),
        columns,
        squeeze=False,
        sharex=share_x,
        sharey=share_y,
        height_ratios=row_inches,
        gridspec_kw={
            "left": left / WIDTH_INCHES,
            "right": 1 - right / WIDTH_INCHES,
            "top": 1 - top / height,
            "bottom": bottom / height,
            "wspace": column_gap / panel_width,
            "hspace": row_gap / (sum(row_inches) / len(row_inches)),
        },
    )
    edge = 0.14 / WIDTH_INCHES
    figure.text(
        edge, 1 - 0.12 / height, title, fontsize=13.5, fontweight="bold", color=INK, va="top"
    )
    figure.text(edge, 1 - 0.43 / height, subtitle, fontsize=9.5, color=QUIET, va="top")
    if legend:
        figure.legend(
            handles=list(legend),
            loc="upper left",
            bbox_to_anchor=(edge, 1 - HEADING_INCHES / height),
            borderaxespad=0.2,
            borderpad=0.1,
            ncols=per_row,
            handlelength=2.2,
            handletextpad=0.6,
            columnspacing=1.7,
        )
    return figure, axes


def legend_columns(legend: Sequence[Any]) -> int:
    """Columns of the legend, so that a row's text fits the width."""
    if not legend:
        return 1
    longest = max(len(handle.get_label()) for handle in legend)
    fitting = int((WIDTH_INCHES - 0.4) / (0.62 + 0.088 * longest))
    return max(1, min(len(legend), fitting))


def method_handle(style: MethodStyle, marker: bool = True) -> Line2D:
    """Legend entry of a method."""
    return Line2D([], [], label=style.name, **line_kwargs(style), **(marker_kwargs(style) if marker else {}))


def line_kwargs(style: MethodStyle) -> dict[str, Any]:
    return {"color": style.colour, "linestyle": style.line}


def marker_kwargs(style: MethodStyle, size: float = 6.0) -> dict[str, Any]:
    return {
        "marker": style.marker,
        "markersize": size,
        "markerfacecolor": style.colour if style.filled else "white",
        "markeredgecolor": style.colour,
        "markeredgewidth": 1.2,
    }


def label_outer(axes: np.ndarray, x_label: str, y_label: str) -> None:
    """Axis labels at the bottom and left panels only."""
    for axis in axes[-1]:
        axis.set_xlabel(x_label)
    for axis in axes[:, 0]:
        axis.set_ylabel(y_label)


def wrap(count: int, most_columns: int) -> tuple[int, int]:
    """(rows, columns) of `count` panels."""
    columns = min(count, most_columns)
    return -(-count // columns), columns


def hide(axes: Sequence[Axes]) -> None:
    for axis in axes:
        axis.set_visible(False)


def padded(low: float, high: float, share: float = 0.08) -> tuple[float, float]:
    """Axis limits around [low, high]; a single value gets room too."""
    margin = share * (high - low) if high > low else max(0.1, 0.1 * abs(high))
    return low - margin, high + margin
