"""Whether verdicts come true as often as judges say, before and after their temperatures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prefgrid.figures.layout import frame
from prefgrid.figures.style import INK, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.pairwise_judges.names import display_name, looks

READS = ("reliability",)
USES = ("judges", "comparisons")
TITLE = "Reliability: what judges say against what holds"
CAPTION = (
    "Verdicts in bins of how sure the judge is of its winner: across, the mean of its probability, up, how "
    "often that response is preferred; means over seeds. Dots have the area of their share of the "
    "comparisons. On the dashed line a judge is right as often as it says; below it, it says too much. Above, "
    "the logits as they are; below, divided by the temperature that comparisons of other prompts gave, if any "
    "fitted these."
)
ROW_INCHES = 2.5
DIAGONAL = {"color": INK, "linewidth": 1.0, "linestyle": (0, (4, 2)), "zorder": 1}
# Of a dot that holds all comparisons, in points squared.
LARGEST = 160.0
SMALLEST = 6.0


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(read_table(*files["reliability"]), spec["judges"], spec["comparisons"])


def draw(bins: pd.DataFrame, judges: Sequence[str], sets: Sequence[str]) -> Figure:
    """Raw above calibrated, a column a set; `bins`: the table `reliability`."""
    styles = looks(judges)
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=5, label=display_name(judge))
        for judge, (colour, marker) in styles.items()
    ]
    with theme():
        figure, axes = frame(
            [ROW_INCHES] * 2,
            len(sets),
            TITLE,
            "each verdict from its winner's side",
            [handles],
            share_x=True,
            share_y=True,
        )
        for row, (calibrated, words) in zip(
            axes, ((False, "raw"), (True, "calibrated")), strict=True
        ):
            for axis, on in zip(row, sets, strict=True):
                own = bins[(bins["on"] == on) & (bins["calibrated"] == calibrated)]
                _curves(axis, own, styles)
                axis.set_title(f"{on}, {words}", fontsize=9.5)
            row[0].set_ylabel("Preferred")
        for axis in axes[-1]:
            axis.set_xlabel("Probability of the winner")
        axes[0, 0].set_xlim(0.49, 1.01)
        axes[0, 0].set_ylim(-0.03, 1.03)
        return figure


def _curves(axis: Axes, bins: pd.DataFrame, styles: Mapping[str, tuple[str, str]]) -> None:
    axis.plot([0.5, 1], [0.5, 1], **DIAGONAL)
    for judge, (colour, marker) in styles.items():
        own = bins[bins["judge"] == judge]
        if own.empty:
            continue
        # All seeds' comparisons as one.
        weighted = own.assign(
            **{name: own[name] * own["comparisons"] for name in ("predicted", "observed")}
        )
        sums = weighted.groupby("low")[["comparisons", "predicted", "observed"]].sum()
        count = sums["comparisons"]
        places, shares = sums["predicted"] / count, sums["observed"] / count
        axis.plot(places, shares, color=colour, linewidth=1.2, alpha=0.8, zorder=2)
        sizes = SMALLEST + LARGEST * count / count.sum()
        axis.scatter(places, shares, s=sizes, color=colour, marker=marker, zorder=3, linewidths=0)
