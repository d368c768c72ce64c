"""Reward at one KL against the link's shift, and the difference to the baseline."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefgrid.figures.intervals import Point, dodge, legend_handles
from prefgrid.figures.intervals import draw as draw_points
from prefgrid.figures.layout import frame, method_handle, note
from prefgrid.figures.shift_axis import WIDTH_OF_A_SHIFT, shift_axis
from prefgrid.figures.style import MethodStyle, method_styles, theme
from prefgrid.files.reading import read_table
from prefgrid.statistics.reference import Reference, summarise
from prefgrid.studies.at_kl import rows_at
from prefgrid.studies.link_robustness import inputs
from prefgrid.studies.link_robustness.figures.points import point

READS = ("summary", "differences", "runs", "reference_samples")
USES = ("methods", "baseline", "kappas")
TITLE = "Reward at one KL against the link's shift"
CAPTION = (
    "Thin lines: 95 % Student t intervals over training seeds, which speak about the method and "
    "are wide with few seeds; those of the gains (left) are conditional on the evaluation prompts and "
    "on the sampling noise, which all runs share with the reference. Thick lines: 95 % bootstrap "
    "intervals over evaluation prompts, given these very policies. The right panel is the one to "
    "compare methods by: a method differs from the baseline only where its thin and its thick line "
    "leave zero, and then only if p (Holm) in the table of differences is below 0.05. A cross marks "
    "a cell whose scan does not contain this KL."
)


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    samples = inputs.reference_samples(files["reference_samples"], ["prompt_id", "reward"])
    return draw(
        *(read_table(*files[name]) for name in ("summary", "differences", "runs")),
        summarise(samples),
        spec["methods"],
        spec["baseline"],
        spec["kappas"],
    )


def draw(
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    runs: pd.DataFrame,
    reference: Reference,
    methods: Sequence[str],
    baseline: str,
    kappas_nats: Sequence[float],
) -> Figure:
    """At the largest n, a row of panels a KL. `summary`, `differences`, `runs`: tables of
    `statistics.comparison`, with the column `kappa_nats`."""
    n = int(summary["n"].max())
    summary, differences, runs = (t[t["n"] == n] for t in (summary, differences, runs))
    styles = method_styles(methods)
    compare = baseline in methods and len(methods) > 1
    runs = runs.assign(value=reference.gain(runs["reward"]))
    handles = [
        [method_handle(styles[method]) for method in methods],
        legend_handles(bool(summary["gain_sd"].isna().any())),
    ]
    listed = ", ".join(f"{kappa_nats:g}" for kappa_nats in kappas_nats)
    with theme():
        figure, axes = frame(
            [3.5] * len(kappas_nats),
            2 if compare else 1,
            f"Reward at KL {listed}, against the link's shift",
            f"n = {n:,} preference pairs; reward interpolated at KL = {listed} nats within each run's β scan",
            handles,
            left=0.8,
            bottom=0.78,
            row_gap=0.95,
            column_gap=0.85,
            share_y=False,
        )
        cut = False
        for panels, kappa_nats in zip(axes, kappas_nats, strict=True):
            tables = (rows_at(table, kappa_nats) for table in (summary, differences, runs))
            cut |= _row(panels, *tables, styles, baseline, kappa_nats)
            if len(kappas_nats) > 1:
                for axis in panels:
                    axis.set_title(f"{axis.get_title(loc='left')}, KL {kappa_nats:g}")
        if cut:
            note(axes[-1, -1], "arrow heads: the interval goes on beyond the panel")
        return figure


def _row(
    panels: np.ndarray,
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    runs: pd.DataFrame,
    styles: dict[str, MethodStyle],
    baseline: str,
    kappa_nats: float,
) -> bool:
    """The panels of one KL: gains and, in a second one, differences; True if an interval is cut."""
    shifts, methods = sorted(summary["shift"].unique()), list(styles)
    points = _points(summary, "gain_sd", shifts, methods, runs, styles)
    cut = draw_points([(panels[0], points)], f"no scan reaches KL {kappa_nats:g}")
    panels[0].set_ylabel("Reward gain over the reference (reference sd)")
    panels[0].set_title("Gain over the reference")
    if len(panels) > 1:
        others = [method for method in methods if method != baseline]
        gaps = _seed_differences(runs, baseline)
        points = _points(differences, "difference_sd", shifts, others, gaps, styles)
        nothing = f"no seed reaches KL {kappa_nats:g} with both"
        cut |= draw_points([(panels[1], points)], nothing, styles[baseline])
        panels[1].set_ylabel(f"Gain minus {styles[baseline].name} (reference sd)")
        panels[1].set_title(f"Difference to {styles[baseline].name} (paired)")
    for axis in panels:
        shift_axis(axis, shifts)
    return cut


def _points(
    table: pd.DataFrame,
    column: str,
    shifts: Sequence[float],
    methods: Sequence[str],
    seeds: pd.DataFrame,
    styles: dict[str, MethodStyle],
) -> list[Point]:
    """Points of every (shift, method), side by side within a shift."""
    points = []
    for position, shift in enumerate(shifts):
        for method, offset in zip(methods, dodge(len(methods), WIDTH_OF_A_SHIFT), strict=True):
            row = table[(table["shift"] == shift) & (table["method"] == method)].squeeze(axis=0)
            own = seeds[(seeds["shift"] == shift) & (seeds["method"] == method)]["value"]
            points.append(
                point(row, column, position + offset, own.dropna().to_numpy(), styles[method])
            )
    return points


def _seed_differences(seed_gain: pd.DataFrame, baseline: str) -> pd.DataFrame:
    keys = ["shift", "seed"]
    base = seed_gain[seed_gain["method"] == baseline].set_index(keys)["value"].rename("base")
    joined = seed_gain.join(base, on=keys)
    return joined.assign(value=joined["value"] - joined["base"])
