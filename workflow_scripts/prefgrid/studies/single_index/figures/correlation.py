"""How well the learned index orders held-out pairs, against the link's shift."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from prefgrid.figures.intervals import draw as draw_points
from prefgrid.figures.layout import frame, method_handle, note
from prefgrid.figures.shift_axis import shift_axis
from prefgrid.figures.style import method_styles, theme
from prefgrid.files.reading import read_table
from prefgrid.statistics.contrasts import over_seeds
from prefgrid.studies.at_kl import rows_at
from prefgrid.studies.single_index.figures import by_shift
from prefgrid.studies.single_index.figures.cells import present, seeds_words, shown
from prefgrid.studies.single_index.names import GROUPS

READS = ("runs",)
USES = ("methods", "kappas")
TITLE = "How well the index orders pairs"
CAPTION = (
    "Neither measure depends on the scale of the index, which the β scan leaves free, or on a "
    "link. Order that is lost here is reward that no choice of β brings back."
)

ROWS = (
    ("index_correlation", "Spearman(t, u)", "Rank correlation of index and true reward difference"),
    (
        "pair_accuracy",
        "Pair accuracy",
        "Share of pairs that the index orders as the true reward does",
    ),
)


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    # The index is the same at every KL.
    return draw(rows_at(read_table(*files["runs"]), spec["kappas"][0]), spec["methods"])


def draw(runs: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """At the largest n and the smallest τ.

    `runs`: `method, seed, shift, tau, n, index_correlation, pair_accuracy`, one row a run.
    """
    data, cell = shown(runs)
    styles = method_styles(methods)
    methods = present(data, methods)
    shifts = sorted(data["shift"].unique())
    learners = data[data["method"].isin(methods)]
    seeds = learners["seed"].unique()
    tables = {name: over_seeds(learners, name, GROUPS, methods, seeds) for name, *_ in ROWS}
    with theme():
        figure, axes = frame(
            [2.7, 2.7],
            1,
            "How well the index orders pairs",
            f"Held-out pairs; {cell}; {seeds_words(len(seeds))}; the oracle's values are 1",
            [
                [method_handle(styles[method]) for method in methods],
                by_shift.interval_handles(list(tables.values())),
            ],
            left=0.8,
            bottom=0.78,
            row_gap=0.5,
            share_x=True,
        )
        cut = False
        for axis, (name, label, title) in zip(axes[:, 0], ROWS, strict=True):
            listed = by_shift.points(tables[name], "mean", methods, styles)
            cut |= draw_points([(axis, listed)], "missing")
            by_shift.connect(axis, listed)
            axis.set_ylabel(label)
            axis.set_title(title)
            shift_axis(axis, shifts)
        axes[0, 0].set_xlabel("")
        figure.align_ylabels(axes[:, 0])
        if cut:
            note(axes[-1, 0], "arrow heads: the interval goes on beyond the panel")
        return figure
