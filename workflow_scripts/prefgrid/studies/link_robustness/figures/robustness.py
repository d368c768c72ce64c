"""Reward at one KL against the link's shift, and the difference to the baseline."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from prefgrid.figures.intervals import Point, dodge, legend_handles
from prefgrid.figures.intervals import draw as draw_points
from prefgrid.figures.layout import frame, method_handle, note
from prefgrid.figures.shift_axis import WIDTH_OF_A_SHIFT, shift_axis
from prefgrid.figures.style import MethodStyle, method_styles, theme
from prefgrid.files.reading import read_table
from prefgrid.statistics.reference import Reference, summarise
from prefgrid.studies.link_robustness import inputs
from prefgrid.studies.link_robustness.figures.points import point

READS = ("summary", "differences", "runs", "reference_samples")
USES = ("methods", "baseline", "kappa")
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
        spec["kappa"],
    )


def draw(
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    runs: pd.DataFrame,
    reference: Reference,
    methods: Sequence[str],
    baseline: str,
    kappa_nats: float,
) -> Figure:
    """At the largest n. `summary`, `differences`, `runs`: tables of `statistics.comparison`."""
    n = int(summary["n"].max())
    summary, differences, runs = (t[t["n"] == n] for t in (summary, differences, runs))
    shifts = sorted(summary["shift"].unique())
    styles = method_styles(methods)
    others = [method for method in methods if method != baseline]
    compare = baseline in methods and bool(others)
    seed_gain = runs.assign(value=reference.gain(runs["reward"]))
    missing = bool(summary["gain_sd"].isna().any())
    handles = [[method_handle(styles[method]) for method in methods], legend_handles(missing)]
    with theme():
        figure, axes = frame(
            [3.5],
            2 if compare else 1,
            f"Reward at KL {kappa_nats:g}, against the link's shift",
            f"n = {n:,} preference pairs; reward interpolated at KL = {kappa_nats:g} nats within each run's β scan",
            handles,
            left=0.8,
            bottom=0.78,
            column_gap=0.85,
            share_y=False,
        )
        panels = [(axes[0, 0], _points(summary, "gain_sd", shifts, methods, seed_gain, styles))]
        cut = draw_points(panels)
        axes[0, 0].set_ylabel("Reward gain over the reference (reference sd)")
        axes[0, 0].set_title("Gain over the reference")
        if compare:
            gaps = _seed_differences(seed_gain, baseline)
            points = _points(differences, "difference_sd", shifts, others, gaps, styles)
            cut |= draw_points([(axes[0, 1], points)], around=0.0)
            axes[0, 1].axhline(0, color=styles[baseline].colour, linewidth=1.6, zorder=1)
            axes[0, 1].set_ylabel(f"Gain minus {styles[baseline].name} (reference sd)")
            axes[0, 1].set_title(f"Difference to {styles[baseline].name} (paired)")
        for axis in axes[0]:
            shift_axis(axis, shifts)
        if cut:
            note(axes[0, -1], "arrow heads: the interval goes on beyond the panel")
        return figure


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
