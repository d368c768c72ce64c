"""Every cell of the grid: how near the kept policy is to the optimum, and whether it still writes numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from prefgrid.figures.layout import frame
from prefgrid.figures.style import FAMILY_COLOURS, INK, QUIET, display_name, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.soft_policy.figures.cells import SPLITS
from prefgrid.studies.soft_policy.looks import (
    MANY,
    TV_REACHED,
    VALID_MASS_REACHED,
    looks,
)

READS = ("evaluations",)
USES = ("methods", "references", "many")
TITLE = "Which methods reach the optimum"
CAPTION = (
    "Of the weights that each run keeps: the mean over seeds, and below it the lowest and the highest seed. "
    "A cell is green where every seed is on the right side of the bound, grey where some are, orange where "
    "none is. A method that is not trained at a β has no cell there."
)
ROW_INCHES = 0.4
NAME_INCHES = 1.85
LETTER_INCHES = 0.085
MEASURES = {
    "tv": f"TV to the optimum, below {TV_REACHED:g}",
    "valid_mass": f"Valid mass, above {VALID_MASS_REACHED:g}",
}
# Every seed, some, none on the right side.
COLOURS = {
    "every seed": FAMILY_COLOURS["ospo"],
    "some seeds": QUIET,
    "no seed": FAMILY_COLOURS["ipo"],
}
ALPHA = 0.3
NUMBER_SIZE, RANGE_SIZE, SMALLEST_SIZE = 9.0, 7.0, 4.5
# Cells so many inches wide hold the range in its full size.
RANGE_INCHES = 0.78


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    runs = looks(read_table(*files["evaluations"]), spec["many"])
    return draw(runs[runs["kept"]], spec["methods"], spec["references"])


def draw(runs: pd.DataFrame, methods: Sequence[str], references: Sequence[str]) -> Figure:
    """A row of panels a reference, TV beside valid mass; a row of cells a method, a column a β and target.

    runs: of `looks.looks`, those that are kept.
    """
    methods = [method for method in methods if method in set(runs["method"])]
    references = [reference for reference in references if reference in set(runs["reference"])]
    keys = ["beta", "target", "split"]
    places = runs[keys].drop_duplicates().sort_values("beta", kind="stable")
    columns = list(places.itertuples(index=False, name=None))
    named = runs["target"].eq(MANY).all()
    several = named or runs["target"].nunique() > 1
    seeds = runs["seed"].nunique()
    with theme():
        figure, axes = frame(
            [ROW_INCHES * len(methods)] * len(references),
            len(MEASURES),
            TITLE,
            "one seed" if seeds == 1 else f"{seeds:,} seeds",
            [[Patch(facecolor=c, alpha=ALPHA, label=name) for name, c in COLOURS.items()]],
            left=NAME_INCHES,
            bottom=0.7 if several else 0.5,
            row_gap=0.9 if several else 0.75,
            column_gap=0.2,
            share_x=True,
            share_y=True,
        )
        for row, reference in zip(axes, references, strict=True):
            own = runs[runs["reference"] == reference]
            for axis, (measure, title) in zip(row, MEASURES.items(), strict=True):
                _cells(axis, own, measure, methods, columns, keys)
                axis.set_title(f"{reference.capitalize()}: {title}", fontsize=9)
                axis.tick_params(length=0, labelbottom=True)
                axis.grid(visible=False)
                axis.spines[:].set_visible(False)
        axis = axes[0, 0]
        axis.set_xlim(0, len(columns))
        axis.set_ylim(len(methods), 0)
        labels = [_label(*column, several=several) for column in columns]
        axis.set_xticks([place + 0.5 for place in range(len(columns))], labels)
        names = [display_name(method) for method in methods]
        axis.set_yticks([place + 0.5 for place in range(len(methods))], names)
        return figure


def _label(beta: float, target: Any, split: str, *, several: bool) -> str:
    if not several:
        return f"β = {beta:g}"
    what = SPLITS[split].replace(" ", "\n", 1) if target == MANY else f"target {target}"
    return f"β = {beta:g}\n{what}"


def _cells(
    axis: Axes,
    runs: pd.DataFrame,
    measure: str,
    methods: Sequence[str],
    columns: Sequence[tuple],
    keys: Sequence[str],
) -> None:
    inches = axis.get_position().width * axis.figure.get_figwidth() / len(columns)
    shrunk = min(1.0, inches / RANGE_INCHES)
    by_cell = dict(iter(runs.groupby(["method", *keys])))
    for row, method in enumerate(methods):
        for place, column in enumerate(columns):
            cell = by_cell.get((method, *column))
            if cell is None:
                axis.text(place + 0.5, row + 0.5, "–", ha="center", va="center", color=QUIET)
                continue
            values = cell[measure]
            right = values < TV_REACHED if measure == "tv" else values > VALID_MASS_REACHED
            name = "every seed" if right.all() else "some seeds" if right.any() else "no seed"
            axis.add_patch(
                Rectangle(
                    (place + 0.02, row + 0.04),
                    0.96,
                    0.92,
                    facecolor=COLOURS[name],
                    alpha=ALPHA,
                    edgecolor="none",
                )
            )
            more = len(values) > 1
            texts = [(0.36 if more else 0.5, NUMBER_SIZE, f"{values.mean():.3f}")]
            if more:
                texts.append((0.74, RANGE_SIZE, f"{values.min():.3f}–{values.max():.3f}"))
            for height, size, text in texts:
                axis.text(
                    place + 0.5,
                    row + height,
                    text,
                    ha="center",
                    va="center",
                    fontsize=max(size * shrunk, SMALLEST_SIZE),
                    color=INK,
                )
