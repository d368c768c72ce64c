"""Figure frames: a heading, a legend row and a grid of panels, measured in inches."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prefgrid.figures.style import INK, QUIET, WIDTH_INCHES, MethodStyle

SUBTITLE_INCHES = 0.42
LINE_INCHES = 0.19
LEGEND_ROW_INCHES = 0.25
GAP_INCHES = 0.36
# Width of an average letter of the 9.5-point subtitle and legend, and of a legend's handle.
LETTER_INCHES = 0.073
HANDLE_INCHES = 0.62
EDGE_INCHES = 0.14


def frame(
    row_inches: Sequence[float],
    columns: int,
    title: str,
    subtitle: str,
    legend: Sequence[Sequence[Line2D]] = (),
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

    Margins and gaps in inches; `legend`: groups of handles, each starting on its own line.
    """
    lines = textwrap.wrap(subtitle, int((WIDTH_INCHES - 2 * EDGE_INCHES) / LETTER_INCHES))
    legend_rows = [row for group in legend for row in _legend_rows(group)]
    legend_top = SUBTITLE_INCHES + LINE_INCHES * len(lines) + 0.04
    top = legend_top + LEGEND_ROW_INCHES * len(legend_rows) + GAP_INCHES
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
    edge = EDGE_INCHES / WIDTH_INCHES
    figure.text(
        edge, 1 - 0.12 / height, title, fontsize=13.5, fontweight="bold", color=INK, va="top"
    )
    figure.text(
        edge,
        1 - SUBTITLE_INCHES / height,
        "\n".join(lines),
        fontsize=9.5,
        color=QUIET,
        va="top",
        linespacing=1.35,
    )
    for position, handles in enumerate(legend_rows):
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(edge, 1 - (legend_top + LEGEND_ROW_INCHES * position) / height),
            borderaxespad=0.0,
            borderpad=0.2,
            ncols=len(handles),
            handlelength=2.2,
            handletextpad=0.6,
            columnspacing=1.7,
        )
    return figure, axes


def _legend_rows(handles: Sequence[Line2D]) -> list[list[Line2D]]:
    """Handles split into rows that fit the figure's width."""
    rows: list[list[Line2D]] = []
    room = 0.0
    for handle in handles:
        need = HANDLE_INCHES + LETTER_INCHES * len(str(handle.get_label()))
        if need > room:
            rows.append([])
            room = WIDTH_INCHES - 2 * EDGE_INCHES
        rows[-1].append(handle)
        room -= need
    return rows


def method_handle(style: MethodStyle, marker: bool = True) -> Line2D:
    """Legend entry of a method."""
    marks = marker_kwargs(style) if marker else {}
    return Line2D([], [], label=style.name, **line_kwargs(style), **marks)


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


def wrap(count: int, most_columns: int) -> tuple[int, int]:
    """(rows, columns) of `count` panels, rows evenly filled."""
    rows = -(-count // most_columns)
    return rows, -(-count // rows)


def hide(axes: Sequence[Axes]) -> None:
    for axis in axes:
        axis.set_visible(False)


def padded(low: float, high: float, share: float = 0.08) -> tuple[float, float]:
    """Axis limits around [low, high]; a single value gets room too."""
    margin = share * (high - low) if high > low else max(0.1, 0.1 * abs(high))
    return low - margin, high + margin


def shift_title(shift: float) -> str:
    return f"Link shift {shift:g}" + (" (logistic link)" if shift == 0 else "")


def words_alone(axis: Axes, text: str) -> None:
    """Words in place of a panel's marks and axes, where there is nothing to draw."""
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color=QUIET)


def note(axis: Axes, text: str) -> None:
    """A quiet remark below the panel's axis label, at its right edge."""
    axis.annotate(
        text,
        (1, 0),
        xycoords="axes fraction",
        xytext=(0, -47),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
        color=QUIET,
    )
