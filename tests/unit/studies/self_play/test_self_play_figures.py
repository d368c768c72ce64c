"""Figures of the study: nothing clipped, the right numbers, both files written."""

from itertools import combinations

import numpy as np
import pandas as pd
import plug_ins
import pytest
import self_play_samples as made
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from prefgrid.files import reading
from prefgrid.studies.self_play.figures import iterates, length_and_gap, ring, win_rate_by_kl

METHODS = ["sppo", "gpo"]
ROWS = made.GRID
SPEC = {"rows": ROWS, "methods": METHODS, "kappas": made.KAPPAS, "iterations": made.ITERATIONS}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return made.tabulated(tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="module")
def tables(paths):
    return {name: reading.read_table(path) for name, path in paths.items()}


def drawn(tables, rows):
    iterations = tables["iterations"]
    figures = {
        "win_rate_by_kl": win_rate_by_kl.draw(iterations, rows, METHODS, made.KAPPAS),
        "length_and_gap": length_and_gap.draw(iterations, rows, METHODS),
        "iterates": iterates.draw(tables["contests"], rows, made.ITERATIONS),
    }
    if any(row["classes"] for row in rows):
        figures["ring"] = ring.draw(tables["classes"], iterations, rows, METHODS)
    return figures


def many(tables):
    """Six judges, so that panels are wrapped: the two of the study under other names too."""
    copies = [
        table.assign(judge=table["judge"] + f"_{number}") if "judge" in table else table
        for number in range(3)
        for table in tables.values()
    ]
    count = len(tables)
    found = {
        name: pd.concat(copies[place::count], ignore_index=True)
        for place, name in enumerate(tables)
    }
    rows = [{**row, "judge": f"{row['judge']}_{number}"} for number in range(3) for row in ROWS]
    return found, rows


@pytest.mark.parametrize("grid", ["all", "one", "many"])
def test_every_grid_can_be_drawn_and_no_text_leaves_the_figure(tables, grid):
    if grid == "many":
        tables, rows = many(tables)
    else:
        rows = ROWS if grid == "all" else ROWS[:1]
    for name, figure in drawn(tables, rows).items():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        boxes = [text.get_window_extent(renderer) for text in figure.texts]
        boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
        boxes += [axis.get_tightbbox(renderer) for axis in figure.axes if axis.get_visible()]
        for box in boxes:
            assert min(box.x0, box.y0) >= 0, name
            assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height, name
        legends = [legend.get_window_extent(renderer) for legend in figure.legends]
        for axis in figure.axes:
            title = axis.title.get_window_extent(renderer)
            assert not axis.get_title() or not any(title.overlaps(one) for one in legends), name


def test_iterates_are_numbered_at_their_kl_and_win_rate(tables):
    iterations = tables["iterations"]
    axis, *_ = win_rate_by_kl.draw(iterations, ROWS, METHODS, made.KAPPAS).axes
    own = iterations[iterations["judge"] == "bt_scores"]
    means = own.groupby(["method", "average", "iteration"])[["kl_base_nats", "win_base"]].mean()
    numbers = [text for text in axis.texts if text.get_text().isdigit()]
    wanted = [means.loc[(method, False, t)] for method in METHODS for t in (1, 2, 3)]
    assert [text.get_text() for text in numbers] == ["1", "2", "3"] * 2
    for text, mean in zip(numbers, wanted, strict=True):
        assert text.xy == pytest.approx((np.sqrt(mean["kl_base_nats"]), mean["win_base"]))
    # The line begins at the base, and the average is no part of it.
    [line, *_] = [one for one in axis.lines if len(one.get_xdata()) == 4]
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (0, 0.5)
    # Each κ has its line and its name.
    dotted = [line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == ":"]
    assert dotted == pytest.approx(np.sqrt(made.KAPPAS))
    assert {"κ = 0.5", "κ = 1"} <= {text.get_text() for text in axis.texts}
    hollow = [one for one in axis.lines if one.get_markerfacecolor() == "white"]
    assert hollow[0].get_ydata()[0] == pytest.approx(means.loc[("sppo", True, 3), "win_base"])


def test_length_and_gap_have_the_table_s_numbers(tables):
    iterations = tables["iterations"]
    figure = length_and_gap.draw(iterations, ROWS, METHODS)
    tokens, _, gap, _ = figure.axes
    own = iterations[(iterations["judge"] == "bt_scores") & ~iterations["average"]]
    for axis, name in ((tokens, "tokens"), (gap, "judge_gap")):
        curves = [line for line in axis.lines if line.get_marker() not in ("None", None, "")]
        for curve, method in zip(curves, METHODS, strict=True):
            means = own[own["method"] == method].groupby("iteration")[name].mean()
            assert list(curve.get_ydata()) == pytest.approx(list(means))
            assert list(np.round(curve.get_xdata())) == [0, 1, 2, 3]


def test_a_gap_alone_is_not_called_over_optimisation():
    assert "over-optimised it is only where the held-out win rate falls" in length_and_gap.CAPTION


def test_the_matrix_of_iterates_is_antisymmetric_around_a_half(tables):
    found = iterates.matrix(tables["contests"], "bt_scores", "gpo", 3)
    np.testing.assert_allclose(found + found.T, 1)
    own = tables["contests"]
    own = own[(own["judge"] == "bt_scores") & (own["method"] == "gpo")]
    mean = own[(own["iteration"] == 3) & (own["opponent"] == 1)]["win"].mean()
    assert found[3, 1] == pytest.approx(mean)
    axis = iterates.draw(own, ROWS[:1] and [{**ROWS[0], "methods": ["gpo"]}], 3).axes[0]
    said = [text.get_text() for text in axis.texts]
    assert f"{mean:.2f}".removeprefix("0") in said and len(said) == 16
    cells = [one for one in axis.patches if isinstance(one, Rectangle)]
    assert len(cells) == 16 and cells[0].get_alpha() == 0


def test_the_triangle_shows_shares_and_beside_it_stands_what_beats_them(tables):
    triangle, exploited, *_ = ring.draw(tables["classes"], tables["iterations"], ROWS, METHODS).axes
    own = tables["classes"]
    own = own[(own["judge"] == "bt_closings") & (own["iteration"] == 3) & ~own["average"]]
    shares = own.groupby("class")["share"].mean().to_numpy()
    [last] = [text for text in triangle.texts if text.get_text() == "3"]
    # Corners at (0, 0), (1, 0) and the top.
    assert last.xy == pytest.approx((shares[1] + shares[2] / 2, shares[2] * np.sqrt(3) / 2))
    [curve] = [line for line in exploited.lines if len(line.get_xdata()) == 4]
    iterations = tables["iterations"]
    iterations = iterations[(iterations["judge"] == "bt_closings") & ~iterations["average"]]
    wanted = iterations.groupby("iteration")["exploitability"].mean()
    assert list(curve.get_ydata()) == pytest.approx(list(wanted))
    # The average, hollow, beside the last; intervals from the lowest end of the seeds to the highest.
    [average] = [line for line in exploited.lines if line.get_markerfacecolor() == "white"]
    averages = tables["iterations"]
    averages = averages[(averages["judge"] == "bt_closings") & averages["average"]]
    assert 3 < average.get_xdata()[0] < 4
    assert average.get_ydata()[0] == pytest.approx(averages["exploitability"].mean())
    last = iterations[iterations["iteration"] == 3]
    ends = [last["exploitability_low"].min(), last["exploitability_high"].max()]
    assert any(list(line.get_ydata()) == pytest.approx(ends) for line in exploited.lines)


def test_iterates_that_lie_close_together_keep_readable_numbers(tables):
    """As in the default run, where a step moves shares by two or three points in a hundred."""
    own = tables["classes"].query("judge == 'bt_closings'").copy()
    moves = {
        0: [0.28, 0.31, 0.41],
        1: [0.24, 0.36, 0.40],
        2: [0.23, 0.39, 0.38],
        3: [0.2, 0.45, 0.35],
    }
    own["share"] = [moves[t][c] for t, c in zip(own["iteration"], own["class"], strict=True)]
    figure = ring.draw(own, tables["iterations"], ROWS, METHODS)
    figure.canvas.draw()
    numbers = [text for text in figure.axes[0].texts if text.get_text().isdigit()]
    boxes = [text.get_window_extent() for text in numbers]
    assert [text.get_text() for text in numbers] == ["0", "1", "2", "3"]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_other_than_three_classes_are_words(tables):
    classes = tables["classes"]
    four = classes.assign(**{"class": classes["class"].replace({2: 3})})
    triangle, *_ = ring.draw(four, tables["iterations"], ROWS, METHODS).axes
    assert "4 classes: see classes.csv" in [text.get_text() for text in triangle.texts]


def test_the_script_writes_both_files(tmp_path, paths):
    for figure in (win_rate_by_kl, length_and_gap, iterates, ring):
        outputs = plug_ins.draw(figure, paths, SPEC, tmp_path)
        assert outputs["svg"].read_bytes().startswith(b"<?xml")
        assert outputs["png"].read_bytes().startswith(b"\x89PNG")
