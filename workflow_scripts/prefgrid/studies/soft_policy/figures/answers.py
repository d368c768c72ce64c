"""The trained policies' probability of every number, beside the optimum's and the reference's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from prefgrid.figures.layout import frame, hide
from prefgrid.figures.style import INK, QUIET, MethodStyle, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.soft_policy.figures.cells import SPLITS, shown, styles
from prefgrid.studies.soft_policy.looks import MANY, grouped

READS = ("answers",)
USES = ("methods", "references", "many")
TITLE = "Probability of every number"
CAPTION = (
    "Filled: the policy whose weights are kept, mean over seeds. Line: the optimal policy. Dashed: the "
    "reference. The axis is a square root, so that single answers and spread ones can both be seen. Where "
    "the filled area is small, the policy writes no number: its valid mass says so. TV and valid mass are "
    "means over seeds. Where targets are named in the prompt, a few are shown, of the first seed."
)
ROW_INCHES = 1.05
TICKS = (0.0, 0.01, 0.05, 0.2, 0.5, 1.0)
# Of named targets, so many of each split.
TARGETS_A_SPLIT = 2
OPTIMUM = {"color": INK, "linewidth": 1.1}
REFERENCE = {"color": QUIET, "linewidth": 1.0, "linestyle": (0, (3, 1.5))}


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    answers = read_table(*files["answers"])
    return draw(answers, spec["methods"], spec["references"], named=spec["many"] is not None)


def draw(
    answers: pd.DataFrame, methods: Sequence[str], references: Sequence[str], *, named: bool
) -> Figure:
    """At one β and target, a row of panels a method and a column a reference; with named targets, a row a
    method and reference and a column a target.

    answers: `method, reference, beta, seed, target, split, number, p_policy, p_optimum, p_reference`.
    """
    part, looks_of = shown(grouped(answers, MANY if named else None)), styles(methods)
    own = answers[answers["beta"] == part.beta]
    targets = _named_targets(own) if named else [part.target]
    if named:
        own = own[own["seed"] == own["seed"].min()]
    own = own[own["target"].isin(targets)]
    drawn = [method for method in methods if method in set(own["method"])]
    references = [reference for reference in references if reference in set(own["reference"])]
    cells = [(method, reference) for method in drawn for reference in references]
    across = len(targets) if named else len(references)
    seeds = own["seed"].nunique()
    words = f"seed {own['seed'].min()}" if seeds == 1 else f"means of {seeds:,} seeds"
    with theme():
        figure, axes = frame(
            [ROW_INCHES] * (len(cells) if named else len(drawn)),
            across,
            TITLE,
            f"{part.words}; {words}",
            [
                [
                    Patch(facecolor=QUIET, alpha=0.6, label="policy"),
                    Line2D([], [], label="optimum", **OPTIMUM),
                    Line2D([], [], label="reference", **REFERENCE),
                ]
            ],
            left=0.62,
            row_gap=0.46 if named else 0.36,
            column_gap=0.2,
            share_x=True,
            share_y=True,
        )
        places = [(cell, target) for cell in cells for target in targets]
        for axis, ((method, reference), target) in zip(axes.ravel(), places, strict=True):
            rows = own[(own["method"] == method) & (own["reference"] == reference)]
            rows = rows[rows["target"] == target]
            if rows.empty:
                hide([axis])
                continue
            _panel(axis, rows, looks_of[method])
            title = f"{looks_of[method].name}, {reference}"
            if named:
                known = "trained" if rows["split"].iloc[0] == "train" else "new"
                title = f"{looks_of[method].name}\n{reference}, target {target} ({known})"
            axis.set_title(title, color=looks_of[method].colour, fontsize=7.5 if named else 9)
        for axis in axes[-1]:
            axis.set_xlabel("Number")
        # Room for a panel's text above its bars.
        top = 1.7 * own[["p_policy", "p_optimum"]].to_numpy().max()
        _root(axes[0, 0], top)
        figure.supylabel("Probability", x=0.008, fontsize=9.5, color=INK)
        return figure


def distances(answers: pd.DataFrame) -> pd.DataFrame:
    """`tv, valid_mass` [seeds] of the policy of one cell; all texts that are no number count as one."""
    sums = answers.groupby("seed")[["p_policy", "p_optimum"]].sum()
    gaps = (answers["p_policy"] - answers["p_optimum"]).abs().groupby(answers["seed"]).sum()
    rest = (sums["p_policy"] - sums["p_optimum"]).abs()
    return pd.DataFrame({"tv": 0.5 * (gaps + rest), "valid_mass": sums["p_policy"]})


def _named_targets(answers: pd.DataFrame) -> list[int]:
    """The first few of each split, of the first seed."""
    first = answers[answers["seed"] == answers["seed"].min()]
    return [
        target
        for split in SPLITS
        for target in list(dict.fromkeys(first.loc[first["split"] == split, "target"]))[
            :TARGETS_A_SPLIT
        ]
    ]


def _panel(axis: Axes, rows: pd.DataFrame, style: MethodStyle) -> None:
    columns = ["p_policy", "p_optimum", "p_reference"]
    means = rows.groupby("number")[columns].mean()
    edges = np.append(means.index, means.index[-1] + 1) - 0.5
    policy, optimum, reference = (means[name].to_numpy() for name in columns)
    axis.stairs(policy, edges, fill=True, facecolor=style.colour, alpha=0.6, edgecolor="none")
    axis.plot(means.index, reference, **REFERENCE)
    axis.stairs(optimum, edges, baseline=None, **OPTIMUM)
    axis.set_xlim(edges[0], edges[-1])
    found = distances(rows).mean()
    axis.text(
        0.985,
        0.93,
        f"TV {found['tv']:.3f}, valid {found['valid_mass']:.3f}",
        transform=axis.transAxes,
        ha="right",
        va="top",
        fontsize=8.5,
        color=INK,
    )


def _root(axis: Axes, top: float) -> None:
    """A square-root scale up to `top` on the y axis that all panels share."""
    axis.set_yscale("function", functions=(lambda y: np.sqrt(np.abs(y)), np.square))
    axis.set_ylim(0, top)
    axis.yaxis.set_major_locator(FixedLocator([tick for tick in TICKS if tick <= top]))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
    axis.yaxis.set_minor_locator(NullLocator())
