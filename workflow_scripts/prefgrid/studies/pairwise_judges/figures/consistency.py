"""What should not count for a judge: the order of showing, length; and circles among responses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from prefgrid.figures.layout import frame
from prefgrid.figures.style import QUIET, theme
from prefgrid.files.reading import read_table
from prefgrid.statistics.intransitivity import CHANCE
from prefgrid.studies.pairwise_judges.names import display_name, looks

READS = ("summary",)
USES = ("judges", "comparisons", "samples")
TITLE = "Order, length and circles"
CAPTION = (
    "Left: P(i beats j) with i first plus P(j beats i) with j first, minus 1, mean and the range from 5 % to "
    "95 % of pairs; 0 where the order does not count, as by construction of every score and embedding. "
    "Middle: rank correlation of a pair's logit with its difference in characters; a rule that favours "
    "long answers for a reason has one too. Right, where responses are sampled: share of circular triples "
    "among the reference's responses to a prompt, with its t interval over prompts; fair coins give the "
    "dotted quarter, scores 0. Means over seeds."
)
ROW_INCHES = 0.36
LEAST_INCHES = 1.4
NAME_INCHES = 1.6


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    summary = read_table(*files["summary"])
    sampled = spec["samples"] is not None
    return draw(summary, spec["judges"], spec["comparisons"], sampled=sampled)


def draw(
    summary: pd.DataFrame, judges: Sequence[str], sets: Sequence[str], *, sampled: bool
) -> Figure:
    """A panel a measure, judges from above, a colour a set; `summary`: the study's table."""
    panels = [
        ("P_ij + P_ji − 1", "order_excess_mean", ("order_excess_low", "order_excess_high"), 0.0),
        ("Correlation with length", "length_spearman", None, 0.0),
    ]
    if sampled:
        ends = ("circular_share_low", "circular_share_high")
        panels.append(("Circular triples", "circular_share", ends, CHANCE))
    styles = looks(sets)
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=on)
        for on, (colour, marker) in styles.items()
    ]
    with theme():
        figure, axes = frame(
            [max(LEAST_INCHES, ROW_INCHES * len(judges))],
            len(panels),
            TITLE,
            "a colour a set of comparisons (of a model: the one that it was trained on)",
            [handles],
            left=NAME_INCHES,
            share_y=True,
        )
        for axis, (label, column, ends, line) in zip(axes[0], panels, strict=True):
            axis.axvline(line, color=QUIET, linestyle=":", linewidth=1.0, zorder=1)
            _marks(axis, summary, judges, styles, column, ends)
            axis.set_xlabel(label)
        axes[0, 0].set_yticks(range(len(judges)), [display_name(judge) for judge in judges])
        axes[0, 0].set_ylim(len(judges) - 0.5, -0.5)
        for axis in axes[0]:
            low, high = axis.get_xlim()
            # Of judges that are all at 0 too.
            axis.set_xlim(min(low, -0.02), max(high, 0.02))
            axis.xaxis.set_major_locator(MaxNLocator(nbins=4))
        return figure


def _marks(
    axis: Axes,
    summary: pd.DataFrame,
    judges: Sequence[str],
    styles: Mapping[str, tuple[str, str]],
    column: str,
    ends: tuple[str, str] | None,
) -> None:
    offsets = np.linspace(-0.18, 0.18, len(styles)) if len(styles) > 1 else [0.0]
    columns = [column, *(ends or ())]
    means = summary.groupby(["judge", "on"])[columns].mean()
    for offset, (on, (colour, marker)) in zip(offsets, styles.items(), strict=True):
        for place, judge in enumerate(judges):
            mean = means.loc[(judge, on)]
            height = place + offset
            if ends is not None:
                axis.plot([mean[name] for name in ends], [height] * 2, color=colour, linewidth=1.4)
            axis.plot([mean[column]], [height], color=colour, marker=marker, markersize=5.5)
