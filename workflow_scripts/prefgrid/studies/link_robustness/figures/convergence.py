"""Reward at one KL against the number of preference pairs, one panel a shift."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from prefgrid.figures.intervals import dodge, legend_handles
from prefgrid.figures.intervals import draw as draw_points
from prefgrid.figures.layout import frame, hide, line_kwargs, method_handle, note, shift_title, wrap
from prefgrid.figures.style import method_styles, theme
from prefgrid.files.reading import read_table
from prefgrid.statistics.reference import Reference, summarise
from prefgrid.studies.at_kl import rows_at
from prefgrid.studies.link_robustness import inputs
from prefgrid.studies.link_robustness.figures.points import point

READS = ("summary", "runs", "reference_samples")
USES = ("methods", "kappas")
TITLE = "Reward against the number of preference pairs"
CAPTION = (
    "The same reward at one KL for growing training sets, each a prefix of the next; marks as in the "
    "figure against the link's shift, moved sideways to stay apart."
)

MOST_COLUMNS = 3


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    samples = inputs.reference_samples(files["reference_samples"], ["prompt_id", "reward"])
    kappa_nats = spec["kappas"][0]
    summary, runs = (rows_at(read_table(*files[name]), kappa_nats) for name in ("summary", "runs"))
    return draw(summary, runs, summarise(samples), spec["methods"], kappa_nats)


def draw(
    summary: pd.DataFrame,
    runs: pd.DataFrame,
    reference: Reference,
    methods: Sequence[str],
    kappa_nats: float,
) -> Figure:
    """`summary`, `runs`: tables of `statistics.comparison`, at KL = κ."""
    shifts = sorted(summary["shift"].unique())
    sizes = np.array(sorted(summary["n"].unique()), dtype=float)
    styles = method_styles(methods)
    gains = runs.assign(value=reference.gain(runs["reward"]))
    missing = bool(summary["gain_sd"].isna().any())
    # Log-spaced marks: neighbouring sizes leave a gap of one third of their distance.
    closest = np.diff(np.log(sizes)).min() if sizes.size > 1 else 1.0
    offsets = np.exp(dodge(len(methods), 0.5 * closest))
    rows, columns = wrap(len(shifts), MOST_COLUMNS)
    sizes_text = "one size only: no trend to see" if sizes.size == 1 else "log axis"
    with theme():
        figure, axes = frame(
            [3.2] * rows,
            columns,
            "Reward against the number of preference pairs",
            f"Reward gain at KL = {kappa_nats:g} nats; smaller n are prefixes of larger ones ({sizes_text})",
            [[method_handle(styles[method]) for method in methods], legend_handles(missing)],
            left=0.8,
            bottom=0.78,
            row_gap=0.85,
            share_y=True,
        )
        hide(axes.ravel()[len(shifts) :])
        panels = []
        for axis, shift in zip(axes.ravel(), shifts, strict=False):
            points = []
            for method, offset in zip(methods, offsets, strict=True):
                own = summary[
                    (summary["shift"] == shift) & (summary["method"] == method)
                ].sort_values("n")
                axis.plot(
                    own["n"] * offset,
                    own["gain_sd"],
                    alpha=0.55,
                    zorder=1,
                    **line_kwargs(styles[method]),
                )
                for _, row in own.iterrows():
                    seeds = gains[
                        (gains["shift"] == shift)
                        & (gains["method"] == method)
                        & (gains["n"] == row["n"])
                    ]["value"].dropna()
                    points.append(
                        point(row, "gain_sd", row["n"] * offset, seeds.to_numpy(), styles[method])
                    )
            panels.append((axis, points))
            axis.set_title(shift_title(shift))
            _size_axis(axis, sizes)
        cut = draw_points(panels, f"no scan reaches KL {kappa_nats:g}")
        for axis in axes[:, 0]:
            axis.set_ylabel("Reward gain (reference sd)")
        if cut:
            note(axes[-1, 0], "arrow heads: the interval goes on beyond the panel")
        return figure


def _size_axis(axis: Axes, sizes: np.ndarray) -> None:
    axis.set_xscale("log")
    axis.set_xticks(sizes, [f"{int(size):,}" for size in sizes])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlim(sizes.min() / 1.6, sizes.max() * 1.6)
    axis.grid(axis="x", visible=False)
    axis.tick_params(labelbottom=True)
    axis.set_xlabel("Preference pairs n")
