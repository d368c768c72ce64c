"""Figures of the study: nothing clipped, the right numbers, both files written."""

import judged_samples as made
import matplotlib.colors
import numpy as np
import pandas as pd
import plug_ins
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from prefgrid.files import reading
from prefgrid.studies.pairwise_judges.figures import accuracy, consistency, reliability, ring

RING = {"model": "gpm", "comparisons": "closings"}
SAMPLES = {"prompts": 12, "responses": 5}
SPEC = {"judges": made.JUDGES, "comparisons": made.SETS, "samples": SAMPLES, "ring": RING}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    return made.tabulated(folder, gpm=2.0) | {"embeddings": made.embeddings(folder)}


@pytest.fixture(scope="module")
def tables(paths):
    return {name: reading.read_table(path) for name, path in paths.items()}


def drawn(tables, judges, sets):
    summary = tables["summary"]
    summary = summary[summary["judge"].isin(judges) & summary["on"].isin(sets)]
    return {
        "accuracy": accuracy.draw(summary, judges, sets),
        "reliability": reliability.draw(tables["reliability"], judges, sets),
        "consistency": consistency.draw(summary, judges, sets, sampled=len(sets) > 1),
        "ring": ring.draw(tables["embeddings"], RING),
    }


@pytest.mark.parametrize(
    ("judges", "sets"), [(made.JUDGES, made.SETS), (["rule"], ["scores"])], ids=["all", "one"]
)
def test_every_grid_can_be_drawn_and_no_text_leaves_the_figure(tables, judges, sets):
    for name, figure in drawn(tables, judges, sets).items():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        boxes = [text.get_window_extent(renderer) for text in figure.texts]
        boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
        boxes += [axis.get_tightbbox(renderer) for axis in figure.axes]
        for box in boxes:
            assert min(box.x0, box.y0) >= 0, name
            assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height, name


def test_cells_say_accuracies_and_the_last_row_the_best_of_scores(tables):
    summary = tables["summary"]
    figure = accuracy.draw(summary, made.JUDGES, made.SETS)
    [axis] = figure.axes
    said = {
        (int(text.get_position()[0]), int(text.get_position()[1])): text.get_text()
        for text in axis.texts
        if "–" not in text.get_text() and "of" not in text.get_text()
    }
    for place, on in enumerate(made.SETS):
        own = summary[summary["on"] == on]
        for row, judge in enumerate(made.JUDGES):
            mean = own.loc[own["judge"] == judge, "accuracy"].mean()
            assert said[place, row] == f"{mean:.3f}"
        assert said[place, len(made.JUDGES)] == f"{own['accuracy_scalar_most'].iloc[0]:.3f}"
        assert f"of {own['accuracy_most'].iloc[0]:.3f}" in [text.get_text() for text in axis.texts]
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "Bradley–Terry",
        "GPM",
        "rule",
        "circle",
        accuracy.BEST,
    ]
    # One seed has its interval, several their range.
    rule = summary[(summary["judge"] == "rule") & (summary["on"] == "closings")].iloc[0]
    below = f"{rule['accuracy_low']:.3f}–{rule['accuracy_high']:.3f}"
    assert below in [text.get_text() for text in axis.texts]


def test_an_unknown_ceiling_is_a_dash_and_a_coin_is_white(tables):
    summary = tables["summary"].assign(
        accuracy_scalar_most=np.nan, accuracy_most=np.nan, accuracy=0.5
    )
    [axis] = accuracy.draw(summary, ["rule"], ["scores"]).axes
    assert [text.get_text() for text in axis.texts][-1] == "–"
    [cell] = [one for one in axis.patches if isinstance(one, Rectangle)]
    assert matplotlib.colors.same_color(cell.get_facecolor(), "white")


def test_reliability_pools_the_seeds(tables):
    """Bins of .6 and .8 of two seeds with 1 and 3 comparisons: means weigh them."""
    rows = [
        {"judge": "gpm", "on": "closings", "seed": seed, "calibrated": calibrated, "low": 0.5}
        | {"comparisons": count, "predicted": predicted, "observed": observed}
        for calibrated in (False, True)
        for seed, count, predicted, observed in ((0, 1, 0.51, 1.0), (1, 3, 0.53, 0.0))
    ]
    raw, _ = reliability.draw(pd.DataFrame(rows), ["gpm"], ["closings"]).axes
    curve = raw.lines[1]
    assert list(curve.get_xdata()) == pytest.approx([0.525])
    assert list(curve.get_ydata()) == pytest.approx([0.25])


def test_consistency_has_the_table_s_numbers(tables):
    summary = tables["summary"]
    order, length, circles = consistency.draw(summary, made.JUDGES, made.SETS, sampled=True).axes
    own = summary[summary["on"] == "closings"].groupby("judge")
    for axis, column in (
        (order, "order_excess_mean"),
        (length, "length_spearman"),
        (circles, "circular_share"),
    ):
        wanted = own[column].mean()
        marks = [one for one in axis.lines if len(one.get_xdata()) == 1]
        found = [one.get_xdata()[0] for one in marks[len(made.JUDGES) :]]
        assert found == pytest.approx([wanted[judge] for judge in made.JUDGES])


def test_the_ring_is_the_plane_that_counts_most():
    """Lengths .1 in the first plane and 2 in the second, a gate of 9 on the first."""
    frame = pd.DataFrame(
        {"v1": [0.1, 0.0], "v2": [0.0, 0.1], "v3": [2.0, 0.0], "v4": [0.0, 2.0]}
    ).assign(scale1=9.0, scale2=0.25)
    pairs, number, share = ring.plane(frame)
    np.testing.assert_allclose(pairs, [[1.0, 0.0], [0.0, 1.0]])
    assert number == 2
    assert share == pytest.approx(1 / (1 + 0.09))
    # The cross product of drawn coordinates is that plane's part of the logit: here i beats j.
    assert pairs[0, 0] * pairs[1, 1] - pairs[0, 1] * pairs[1, 0] == pytest.approx(0.25 * 4)


def test_kinds_have_colours_and_angles_of_their_own(tables):
    figure = ring.draw(tables["embeddings"], RING)
    left, right = figure.axes
    assert len(left.collections) == 3
    counts = sum(int(one.get_height()) for one in right.patches)
    assert counts == made.PROMPTS * made.RESPONSES
    centres = sorted(
        np.degrees(np.arctan2(*one.get_offsets().mean(axis=0)[::-1])) % 360
        for one in left.collections
    )
    assert np.diff(centres) == pytest.approx([120, 120], abs=6)
    nameless = ring.draw(tables["embeddings"].assign(kind=""), RING)
    assert len(nameless.axes[0].collections) == 1


def test_the_script_writes_both_files(tmp_path, paths):
    for figure in (accuracy, reliability, consistency, ring):
        outputs = plug_ins.draw(figure, paths, SPEC, tmp_path)
        assert outputs["svg"].read_bytes().startswith(b"<?xml")
        assert outputs["png"].read_bytes().startswith(b"\x89PNG")
