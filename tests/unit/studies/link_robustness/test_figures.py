"""Figures: stable colours, reproducible bytes, every kind of grid."""

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
import synthetic_study as study
from matplotlib.figure import Figure

from prefgrid.figures import style
from prefgrid.statistics import comparison, oracle, prompts, reference
from prefgrid.studies.link_robustness.figures import (
    calibration,
    convergence,
    frontier,
    reference_rewards,
    robustness,
    training,
)

KAPPA = 0.5
FULL = {"methods": study.METHODS, "seeds": (0, 1), "shifts": (0.0, 4.0), "sizes": (500, 1500)}
ONE = {"methods": ["dpo"], "seeds": (0,), "shifts": (0.0,), "sizes": (500,)}
WIDE = {
    "methods": ["dpo", "dpo_published", "pspo", "simpo"],
    "seeds": (0,),
    "shifts": (0.0, 0.5, 1.0, 2.0),
    "sizes": (500,),
}
UNREACHED = {**FULL, "betas": [4.5, 9.0], "seeds": (0,)}


@pytest.fixture(scope="module")
def base_samples():
    return study.reference_samples(16)


def _draw(grid, base_samples) -> dict[str, Figure]:
    methods, seeds, shifts = grid["methods"], grid["seeds"], grid["shifts"]
    base = reference.summarise(base_samples)
    noise = reference.scan_noise(base_samples, 1)
    samples = reference.controlled_samples(study.samples(**grid), noise)
    evaluations = study.evaluations(samples)
    runs = comparison.runs_at_kl(evaluations, KAPPA, base)
    values = prompts.prompts_at_kl(samples, KAPPA, base)
    summary = comparison.summarise(runs, values, base, KAPPA, methods, seeds)
    gaps = comparison.differences(runs, values, base, methods, "dpo").assign(kappa_nats=KAPPA)
    runs = runs.assign(kappa_nats=KAPPA)
    top = oracle.drawable(base_samples)
    indices = study.indices(methods, seeds, shifts)
    metrics = study.metrics(methods, seeds, shifts)
    return {
        "frontier": frontier.draw(evaluations, base, top, methods, "dpo", [KAPPA]),
        "robustness": robustness.draw(summary, gaps, runs, base, methods, "dpo", [KAPPA]),
        "convergence": convergence.draw(summary, runs, base, methods, KAPPA),
        "calibration": calibration.draw(indices, methods, 0.25),
        "training": training.draw(metrics, methods),
        "reference_rewards": reference_rewards.draw(base_samples),
    }


@pytest.mark.parametrize(
    "grid", [FULL, ONE, WIDE, UNREACHED], ids=["full", "one", "wide", "unreached"]
)
def test_every_grid_can_be_drawn(grid, base_samples):
    for drawn in _draw(grid, base_samples).values():
        drawn.draw_without_rendering()
        for axis in drawn.axes:
            assert all(np.isfinite(axis.get_ylim()))


def test_a_method_without_a_link_has_no_learned_line():
    pairs = study.indices(["dpo", "hinge"], (0,), (0.0,))
    pairs["link_probability"] = pairs["link_probability"].where(pairs["method"] != "hinge")
    drawn = calibration.draw(pairs, ["dpo", "hinge"], 0.25)
    drawn.draw_without_rendering()
    notes = [axis.texts[0].get_text() for axis in drawn.axes]
    assert ["no link" in note for note in notes] == [False, True]
    assert not any("nan" in note for note in notes)
    learned = [np.isfinite(axis.lines[0].get_ydata()).any() for axis in drawn.axes]
    assert learned == [True, False]


def test_a_method_has_one_colour_and_its_variants_share_it():
    styles = style.method_styles(["pspo_published", "dpo", "pspo", "simpo", "ipo"])
    assert styles["pspo"].colour == styles["pspo_published"].colour == style.FAMILY_COLOURS["pspo"]
    assert styles["pspo"].line == "-"
    assert styles["pspo"].filled
    assert styles["pspo_published"].line != "-"
    assert not styles["pspo_published"].filled
    assert styles["pspo_published"].marker == styles["pspo"].marker
    assert len({styles[label].colour for label in ("pspo", "dpo", "simpo", "ipo")}) == 4
    assert list(styles) == ["pspo_published", "dpo", "pspo", "simpo", "ipo"]


def test_colours_do_not_depend_on_the_other_methods():
    alone, together = style.method_styles(["ospo"]), style.method_styles(study.METHODS)
    assert alone["ospo"] == together["ospo"]


def test_display_names():
    assert style.display_name("dpo") == "DPO"
    assert style.display_name("pspo_published") == "PSPO (published)"
    assert style.display_name("true_link") == "True link"
    assert style.display_name("my_own") == "my own"


def test_the_frontier_stops_where_a_seed_was_not_scanned(base_samples):
    """Mean curves cover only KLs that every seed reached."""
    samples = study.samples(["dpo"], (0, 1), (0.0,), (500,))
    short = samples[(samples["seed"] == 0) | (samples["beta"] >= 1.5)]
    evaluations = study.evaluations(short)
    base = reference.summarise(base_samples)
    drawn = frontier.draw(evaluations, base, oracle.drawable(base_samples), ["dpo"], "dpo", [KAPPA])
    colour = style.FAMILY_COLOURS["dpo"]
    lines = [
        line
        for line in drawn.axes[0].lines
        if matplotlib.colors.same_color(line.get_color(), colour) and line.get_linestyle() == "-"
    ]
    reached = evaluations[evaluations["seed"] == 1]["kl_div"].max()
    assert max(lines[0].get_xdata()) <= np.sqrt(reached)


def test_missing_cells_are_marked(base_samples):
    """PSPO was scanned near the reference only: a cross at each shift, beside the others' marks."""
    methods, shifts = ["dpo", "pspo"], (0.0, 4.0)
    samples = study.samples(methods, (0, 1), shifts, (500,))
    short = samples[(samples["method"] == "dpo") | (samples["beta"] >= 4.5)]
    drawn = _levels(short, base_samples, methods)
    crosses = [line for line in drawn.axes[0].lines if line.get_marker() == "x"]
    assert len(crosses) == len(shifts)
    assert "missing" in [text.get_text() for legend in drawn.legends for text in legend.get_texts()]
    # No difference can be had: the second panel says so.
    assert _words(drawn.axes[1]) == "no seed reaches KL 0.5 with both"


def test_panels_without_any_value_say_so_in_place_of_axes(base_samples):
    figures = _draw(UNREACHED, base_samples)
    level, gap = figures["robustness"].axes
    assert _words(level) == "no scan reaches KL 0.5"
    assert _words(gap) == "no seed reaches KL 0.5 with both"
    for axis in figures["convergence"].axes:
        assert _words(axis) == "no scan reaches KL 0.5"


def test_several_kls_are_rows_of_panels(base_samples):
    """Of tables at .5 and, one reference sd higher, at 1: every mark of the second row is 1 higher."""
    base = reference.summarise(base_samples)
    methods = ["dpo", "pspo"]
    freed = reference.controlled_samples(
        study.samples(methods, (0, 1), (0.0, 4.0), (500,)), reference.scan_noise(base_samples, 1)
    )
    runs = comparison.runs_at_kl(study.evaluations(freed), KAPPA, base).assign(kappa_nats=KAPPA)
    values = prompts.prompts_at_kl(freed, KAPPA, base)
    summary = comparison.summarise(runs, values, base, KAPPA, methods, (0, 1))
    gaps = comparison.differences(runs, values, base, methods, "dpo").assign(kappa_nats=KAPPA)
    higher = summary.assign(kappa_nats=1.0, gain_sd=summary["gain_sd"] + 1)
    tables = [
        pd.concat(pair)
        for pair in (
            (summary, higher),
            (gaps, gaps.assign(kappa_nats=1.0)),
            (runs, runs.assign(kappa_nats=1.0)),
        )
    ]
    drawn = robustness.draw(*tables, base, methods, "dpo", [KAPPA, 1.0])
    first, first_gap, second, second_gap = drawn.axes
    low, high, low_gap, high_gap = (
        [line.get_ydata()[0] for line in axis.lines if line.get_marker() in ("o", "s")]
        for axis in (first, second, first_gap, second_gap)
    )
    assert len(low) == 4 and np.array(high) == pytest.approx(np.array(low) + 1)
    assert len(low_gap) == 2 and low_gap == high_gap
    assert second.get_title(loc="left") == "Gain over the reference, KL 1"


def _levels(samples, base_samples, methods) -> Figure:
    base = reference.summarise(base_samples)
    freed = reference.controlled_samples(samples, reference.scan_noise(base_samples, 1))
    runs = comparison.runs_at_kl(study.evaluations(freed), KAPPA, base)
    values = prompts.prompts_at_kl(freed, KAPPA, base)
    summary = comparison.summarise(runs, values, base, KAPPA, methods, (0, 1))
    gaps = comparison.differences(runs, values, base, methods, "dpo").assign(kappa_nats=KAPPA)
    runs = runs.assign(kappa_nats=KAPPA)
    return robustness.draw(summary, gaps, runs, base, methods, "dpo", [KAPPA])


def _words(axis) -> str | None:
    """What a panel without axes says; None of one with axes."""
    return None if axis.axison else axis.texts[0].get_text()
