"""What the study's figures have in common: which part of the grid they show, and the looks of its methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from prefgrid.figures.layout import line_kwargs, marker_kwargs, words_alone
from prefgrid.figures.style import (
    FAMILY_COLOURS,
    LINES,
    MARKERS,
    SPARE_COLOURS,
    MethodStyle,
    method_styles,
)
from prefgrid.studies.soft_policy.looks import MANY

SPLITS = {"train": "targets trained on", "test": "other targets"}
BAND_ALPHA = 0.15
# On logarithmic axes a TV below is not told apart from it.
SMALLEST_TV = 1e-3
# Between the labels of a root axis, and the width of a digit of theirs.
GAP_INCHES, DIGIT_INCHES = 0.12, 0.075


@dataclass(frozen=True)
class Shown:
    """The part of the grid that a figure shows; words: which it is, and what is left out."""

    beta: float
    target: Any
    words: str

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[(table["beta"] == self.beta) & (table["target"] == self.target)]


def shown(runs: pd.DataFrame) -> Shown:
    """The β at which most methods are trained, of these the smallest, and there the first target.

    runs: `method, beta, target`, of all runs.
    """
    trained = runs.groupby("beta")["method"].nunique()
    beta = float(trained.index[trained == trained.max()].min())
    targets = list(dict.fromkeys(runs.loc[runs["beta"] == beta, "target"]))
    many = targets == [MANY]
    words = f"β = {beta:g}" + ("" if many else f", target {targets[0]}")
    others = [f"β = {other:g}" for other in sorted(trained.index) if other != beta]
    others += [f"target {target}" for target in targets[1:]]
    if others:
        words += f" (in the ablation and the tables also {', '.join(others)})"
    return Shown(beta, targets[0], words)


def panels(runs: pd.DataFrame, references: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """(title, rows) of each reference and split that `runs` has, in reading order."""
    found = []
    for reference in references:
        for split, words in SPLITS.items():
            own = runs[(runs["reference"] == reference) & (runs["split"] == split)]
            if own.empty:
                continue
            title = f"{reference.capitalize()} reference"
            found.append((f"{title}\n{words}" if own["target"].eq(MANY).all() else title, own))
    return found


def styles(methods: Sequence[str]) -> dict[str, MethodStyle]:
    """A colour of its own for every label, because labels of one family are what is compared here; a family's
    plain colour stays its own. Published ones are hollow on dashed lines, as everywhere."""
    usual = method_styles(methods)
    taken = {usual[label].colour for label in methods if label in FAMILY_COLOURS}
    free = [colour for colour in (*FAMILY_COLOURS.values(), *SPARE_COLOURS) if colour not in taken]
    found, place = {}, 0
    for label, style in usual.items():
        if label in FAMILY_COLOURS:
            found[label] = style
            continue
        marker, colour = MARKERS[place % len(MARKERS)], free[place % len(free)]
        found[label] = replace(style, colour=colour, marker=marker)
        if "published" not in label:
            found[label] = replace(found[label], line=LINES[0], filled=True)
        place += 1
    return found


def by_step(runs: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """`x, mean, low, high` of y over the seeds of one method, where all of its seeds have been looked at;
    low and high are the lowest and the highest seed."""
    seeds = runs["seed"].nunique()
    steps = runs.groupby("step").agg(
        x=(x, "mean"), mean=(y, "mean"), low=(y, "min"), high=(y, "max"), seeds=(y, "count")
    )
    return steps[steps["seeds"] == seeds].drop(columns="seeds")


def curves(
    axis: Axes,
    runs: pd.DataFrame,
    x: str,
    y: str,
    looks: Mapping[str, MethodStyle],
    nothing: str = "nothing to draw",
) -> bool:
    """A line a method through its mean over seeds, with a band from the lowest to the highest seed; whether
    there was anything to draw, else the words `nothing` stand there."""
    drawn = False
    for method, style in looks.items():
        steps = by_step(runs[runs["method"] == method], x, y)
        steps = steps[np.isfinite(steps["x"]) & np.isfinite(steps["mean"])]
        if steps.empty:
            continue
        drawn = True
        axis.fill_between(
            steps["x"], steps["low"], steps["high"], color=style.colour, alpha=BAND_ALPHA, lw=0
        )
        axis.plot(
            steps["x"],
            steps["mean"],
            linewidth=1.5,
            **line_kwargs(style),
            **marker_kwargs(style, 4),
        )
    if not drawn:
        words_alone(axis, nothing)
    return drawn


def seeds_words(count: int) -> str:
    return "one seed" if count == 1 else f"means of {count:,} seeds, bands from lowest to highest"


def root_axis(axis: Axes, limit: float) -> None:
    """A square-root scale from 0 to `limit` on the x axis, so that short budgets can be read beside long
    ones."""
    axis.set_xscale("function", functions=(lambda x: np.sqrt(np.abs(x)), np.square))
    axis.set_xlim(0, limit)
    inches = axis.get_position().width * axis.figure.get_figwidth()
    rounds = [first * 10.0**power for power in range(9) for first in (1, 2, 5)]
    ticks: list[float] = []
    for tick in [0.0, *reversed([one for one in rounds if one <= limit])]:
        room = GAP_INCHES + DIGIT_INCHES * len(f"{max([tick, *ticks]):,.0f}")
        gaps = [abs(np.sqrt(tick / limit) - np.sqrt(one / limit)) * inches for one in ticks]
        if all(gap > room for gap in gaps):
            ticks.append(tick)
    axis.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axis.minorticks_off()


def plain_logs(axis: Axis) -> None:
    """Ticks of a logarithmic axis as plain numbers: at 1, 2 and 5 of each decade, or of many decades at 1."""
    low, high = axis.get_view_interval()
    few = np.log10(high / low) < 2.5
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:,g}"))
    axis.set_minor_locator(NullLocator())
