"""Figures of the single-index study: every kind of grid, nothing clipped, right numbers."""

from itertools import pairwise

import made_up
import matplotlib.colors
import numpy as np
import pandas as pd
import plug_ins
import pytest
import synthetic_single_index as study
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from prefgrid.figures import style
from prefgrid.files import store
from prefgrid.studies.single_index.figures import cells, correlation, frontier, links, robustness

KAPPA = 0.2
LABELS = [*study.METHODS, "dpo_published", "ipo_mean", "simpo"]
FULL = {"methods": study.METHODS, "seeds": range(3), "shifts": (0.0, 0.75, 1.5)}
ONE = {"methods": ["dpo"], "seeds": (0,), "shifts": (0.0,)}
LARGE = {
    "methods": ["dpo", "pspo", "hinge"],
    "seeds": range(22),
    "shifts": (0.0, 0.75, 1.5),
    "sizes": (500, 1000),
    "taus": (0.25, 0.5),
}


def _draw(grid) -> dict[str, Figure]:
    curves = study.curves(**grid)
    runs = study.runs(curves)
    methods, chosen = grid["methods"], sorted({grid["shifts"][0], grid["shifts"][-1]})
    return {
        "robustness": robustness.draw(runs, methods, "dpo", [KAPPA]),
        "frontier": frontier.draw(curves, methods, "dpo", [KAPPA], chosen),
        "links": links.draw(study.links_table(**grid), methods, chosen),
        "correlation": correlation.draw(runs, methods),
    }


@pytest.mark.parametrize("grid", [FULL, ONE, LARGE], ids=["full", "one", "large"])
def test_every_grid_can_be_drawn_and_no_text_leaves_the_figure(grid):
    for name, drawn in _draw(grid).items():
        renderer = FigureCanvasAgg(drawn).get_renderer()
        drawn.draw(renderer)
        width, height = drawn.bbox.width, drawn.bbox.height
        boxes = [legend.get_window_extent(renderer) for legend in drawn.legends]
        boxes += [text.get_window_extent(renderer) for text in drawn.texts]
        shown = [axis for axis in drawn.axes if axis.get_visible()]
        boxes += [axis.get_tightbbox(renderer) for axis in shown]
        for box in boxes:
            assert min(box.x0, box.y0) >= 0, name
            assert box.x1 <= width, name
            assert box.y1 <= height, name
        rows = sorted((box for box in boxes[: len(drawn.legends)]), key=lambda box: -box.y1)
        assert all(upper.y0 >= lower.y1 - 1 for upper, lower in pairwise(rows)), name
        assert all(np.isfinite(axis.get_ylim()).all() for axis in shown)


def test_names_over_neighbouring_links_stay_apart():
    """Six panels a row, a name of 18 characters in one line; at least a twentieth of an inch."""
    labels = ["dpo", "robust_dpo_early", "ospo_orthogonal_early", "ipo_early", "cdpo", "pspo"]
    drawn = links.draw(study.links_table(labels, (0,), (0.0,)), labels, [0.0])
    renderer = FigureCanvasAgg(drawn).get_renderer()
    drawn.draw(renderer)
    boxes = [axis._left_title.get_window_extent(renderer) for axis in drawn.axes]
    gap = 0.05 * drawn.dpi
    assert all(left.x1 + gap < right.x0 for left, right in pairwise(boxes))
    assert boxes[-1].x1 <= drawn.bbox.width


def test_the_part_of_the_grid_that_is_shown_is_named():
    table = pd.DataFrame({"n": [500, 1000, 1000], "tau": [0.25, 0.25, 0.5]})
    rows, words = cells.shown(table)
    assert rows.index.tolist() == [1]
    assert words == "n = 1,000 pairs, τ = 0.25 (not drawn, but in the tables: n = 500, τ = 0.5)"


def test_chosen_shifts_must_be_in_the_grid():
    table = pd.DataFrame({"shift": [0.0, 1.5]})
    assert cells.chosen_shifts(table, [1.5, 0.0]) == [0.0, 1.5]
    for wrong in ([0.75], []):
        with pytest.raises(ValueError, match=r"pareto_shifts .* the grid, which has 0, 1\.5"):
            cells.chosen_shifts(table, wrong)


def _marks(axis, colour: str) -> list[tuple[float, float]]:
    """(x, y) of the single marks of one colour: the means of the points."""
    return [
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in axis.lines
        if line.get_marker() not in ("None", "_", "x", "")
        and len(line.get_xdata()) == 1
        and matplotlib.colors.same_color(line.get_markeredgecolor(), colour)
    ]


def _runs(rewards: dict[str, list[float]], kappa_nats: float = KAPPA) -> pd.DataFrame:
    rows = [
        {"method": method, "seed": seed, "shift": 0.0, "tau": 0.25, "n": 10, "reward": reward}
        | {"kappa_nats": kappa_nats}
        for method, listed in rewards.items()
        for seed, reward in enumerate(listed)
    ]
    return pd.DataFrame(rows)


def test_means_and_paired_differences_are_drawn_where_they_lie():
    """DPO .5, .7 and OSPO .6, nothing: OSPO's mean is .6, the one difference .6 − .5 = .1."""
    runs = _runs({"dpo": [0.5, 0.7], "ospo": [0.6, np.nan], "oracle": [0.8, 1.0]})
    level, gap = robustness.draw(runs, ["dpo", "ospo"], "dpo", [KAPPA]).axes
    colours = style.FAMILY_COLOURS
    assert _marks(level, colours["dpo"])[0][1] == pytest.approx(0.6)
    (place, mean), (gap_place, difference) = (
        _marks(axis, colours["ospo"])[0] for axis in (level, gap)
    )
    assert mean == pytest.approx(0.6)
    assert difference == pytest.approx(0.1)
    assert place == gap_place
    heights = [np.array(line.get_ydata()) for line in level.lines]
    oracle = [height for height in heights if height.size == 2 and np.allclose(height, 0.9)]
    assert len(oracle) == 1


def test_several_kls_are_columns_of_panels_that_share_their_scale():
    """At KL .2 DPO .5 and OSPO .6; at 1 DPO .8 and OSPO .7."""
    both = [
        ({"dpo": [0.5, 0.5], "ospo": [0.6, 0.6]}, 0.2),
        ({"dpo": [0.8, 0.8], "ospo": [0.7, 0.7]}, 1.0),
    ]
    runs = pd.concat([_runs(*one) for one in both], ignore_index=True)
    drawn = robustness.draw(runs, ["dpo", "ospo"], "dpo", [0.2, 1.0])
    first, second, first_gap, second_gap = drawn.axes
    colour = style.FAMILY_COLOURS["ospo"]
    heights = [_marks(axis, colour)[0][1] for axis in drawn.axes]
    assert heights == pytest.approx([0.6, 0.7, 0.1, -0.1])
    assert first.get_ylim() == second.get_ylim() and first_gap.get_ylim() == second_gap.get_ylim()
    titles = [axis.get_title(loc="left") for axis in drawn.axes]
    assert titles == ["Reward at KL 0.2", "Reward at KL 1", "Difference to DPO at KL 0.2"] + [
        "Difference to DPO at KL 1"
    ]


def test_a_method_out_of_reach_is_marked_missing():
    runs = _runs({"dpo": [0.5, 0.7], "ospo": [np.nan, np.nan]})
    drawn = robustness.draw(runs, ["dpo", "ospo"], "dpo", [KAPPA])
    level, gap = drawn.axes
    assert len([line for line in level.lines if line.get_marker() == "x"]) == 1
    assert not gap.axison
    assert gap.texts[0].get_text() == "no seed reaches this KL with both"
    assert "missing" in [text.get_text() for legend in drawn.legends for text in legend.get_texts()]


def test_the_frontier_averages_seeds_at_equal_kl():
    """Rewards √KL and 3√KL, scanned at different KLs at the same β: the mean is 2√KL, as far as
    both go, which is KL = 1."""
    frames = []
    for seed, slope, top in ((0, 1.0, 1.0), (1, 3.0, 1.44)):
        root = np.sqrt(top) * np.array([0.1, 0.4, 1.0])
        frames.append(
            pd.DataFrame(
                {"beta": [10.0, 1.0, 0.1], "kl_div": root**2, "avg_reward": slope * root}
            ).assign(method="dpo", seed=seed, shift=0.0, tau=0.25, n=10)
        )
    axis = frontier.draw(pd.concat(frames), ["dpo"], "dpo", [KAPPA], [0.0]).axes[0]
    colour = style.FAMILY_COLOURS["dpo"]
    (curve,) = [
        line
        for line in axis.lines
        if matplotlib.colors.same_color(line.get_color(), colour) and len(line.get_xdata()) > 2
    ]
    root, mean = np.array(curve.get_xdata()), np.array(curve.get_ydata())
    inside = np.isfinite(mean)
    np.testing.assert_allclose(mean[inside], 2 * root[inside], rtol=1e-12)
    assert 0.98 < root[inside].max() <= 1.0
    assert root[inside].min() >= 0.12 - 1e-9


def test_a_method_whose_seeds_share_no_kl_is_named():
    """OSPO's two seeds were scanned over KL .1 to .3 and .5 to .7: no KL is in both."""
    scans = {("dpo", 0): (0.1, 0.7), ("dpo", 1): (0.1, 0.7)}
    scans |= {("ospo", 0): (0.1, 0.3), ("ospo", 1): (0.5, 0.7)}
    rows = [
        {"method": method, "seed": seed, "shift": 0.0, "tau": 0.25, "n": 10, "kl_div": kl_nats}
        for (method, seed), ends in scans.items()
        for kl_nats in ends
    ]
    curves = pd.DataFrame(rows).assign(avg_reward=lambda table: table["kl_div"])
    axis = frontier.draw(curves, ["dpo", "ospo"], "dpo", [KAPPA], [0.0]).axes[0]
    assert "not drawn, no common KL:\nOSPO" in [text.get_text() for text in axis.texts]


def test_panels_of_curves_without_a_common_kl_say_so():
    """Both methods' two seeds were scanned over KL .1 to .3 and .5 to .7, and there is no oracle; then
    with one."""
    frames = [
        pd.DataFrame({"beta": [1.0, 2.0], "kl_div": ends, "avg_reward": ends}).assign(
            method=method, seed=seed, shift=0.0, tau=0.25, n=10
        )
        for method in ("dpo", "ospo", "oracle")
        for seed, ends in enumerate(([0.1, 0.3], [0.5, 0.7]))
    ]
    curves = pd.concat(frames, ignore_index=True)
    for shown, level_says in (
        (curves[curves["method"] != "oracle"], ["no KL is common to all seeds"]),
        (curves, ["not drawn, no common KL:\nDPO\nOSPO", "κ = 0.2"]),
    ):
        drawn = frontier.draw(shown, ["dpo", "ospo"], "dpo", [KAPPA], [0.0])
        drawn.draw_without_rendering()
        level, gap = drawn.axes
        assert [text.get_text() for text in level.texts][: len(level_says)] == level_says
        assert level.axison is (len(level_says) == 2)
        assert not gap.axison
        assert [text.get_text() for text in gap.texts] == ["no KL is common to all seeds"]


def test_the_gap_between_links_is_written_and_a_missing_link_named():
    """Learned = true + 0.05 everywhere: the gap is 0.05."""
    table = study.links_table(["dpo", "hinge"], range(22), (0.0,))
    table.loc[table["method"] == "dpo", "learned"] = table["true"] + 0.05
    drawn = links.draw(table, ["dpo", "hinge"], [0.0])
    dpo, hinge = drawn.axes
    assert [text.get_text() for text in dpo.texts] == ["gap 0.050"]
    assert [text.get_text() for text in hinge.texts] == ["no link"]
    assert len(dpo.lines) == links.MOST_SEEDS + 1
    assert any("first 20 of 22 seeds" in text.get_text() for text in drawn.texts)


def test_every_label_has_a_look_of_its_own():
    styles = style.method_styles(LABELS)
    looks = {(s.colour, str(s.line), s.marker, s.filled) for s in styles.values()}
    assert len(looks) == len(LABELS)
    families = {label: s for label, s in styles.items() if label in style.FAMILY_COLOURS}
    assert len({s.colour for s in families.values()}) == len(families) == 9
    assert len({s.marker for s in families.values()}) == 9
    for label in ("pspo_published", "ospo_published"):
        assert styles[label].line == style.PUBLISHED_LINE
        assert not styles[label].filled
    assert styles["robust_dpo"].colour != styles["dpo"].colour
    assert styles["ospo_orthogonal"].colour == styles["ospo"].colour


def test_a_published_label_looks_the_same_without_its_sibling():
    alone = style.method_styles(["ospo_published"])["ospo_published"]
    assert alone == style.method_styles(LABELS)["ospo_published"]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("robust_dpo", "Robust DPO"),
        ("robust_dpo_published", "Robust DPO (published)"),
        ("cdpo", "cDPO"),
        ("hinge", "Hinge"),
        ("simpo", "SimPO"),
        ("ipo_mean", "IPO (mean)"),
        ("ospo_orthogonal", "OSPO (orthogonal)"),
    ],
)
def test_names_of_labels(label, name):
    assert style.display_name(label) == name


def test_the_script_writes_both_files(tmp_path):
    grid = {"methods": ["dpo", "ospo"], "seeds": (0, 1), "shifts": (0.0, 1.5)}
    curves = study.curves(**grid)
    inputs = {name: tmp_path / f"{name}.parquet" for name in ("curves", "links")}
    inputs["runs"] = tmp_path / "runs.csv"
    store.write_parquet(inputs["curves"], curves)
    store.write_parquet(inputs["links"], study.links_table(**grid))
    store.write_csv(inputs["runs"], study.runs(curves))
    made_up.record(*inputs.values())
    spec = {
        "methods": grid["methods"],
        "baseline": "dpo",
        "kappas": [KAPPA],
        "pareto_shifts": [1.5],
    }
    for figure in (robustness, frontier, links, correlation):
        outputs = plug_ins.draw(figure, inputs, spec, tmp_path)
        assert outputs["svg"].read_bytes().startswith(b"<?xml")
        assert outputs["png"].read_bytes().startswith(b"\x89PNG")
