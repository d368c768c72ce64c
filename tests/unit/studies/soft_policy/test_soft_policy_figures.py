"""Figures of the soft-policy study: every kind of grid, nothing clipped, right numbers."""

from itertools import pairwise

import matplotlib.colors
import numpy as np
import pandas as pd
import plug_ins
import pytest
import soft_policy_samples as made
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

from prefgrid.figures import style
from prefgrid.studies.soft_policy import exact
from prefgrid.studies.soft_policy.figures import (
    ablation,
    answers,
    budget,
    cells,
    curves,
    values,
)
from prefgrid.studies.soft_policy.looks import looks
from prefgrid.studies.soft_policy.task import NumberTask

REFERENCES = ["uniform", "peaked"]
MANY = {"trained": 3, "tested": 2}
GRIDS = {
    "full": {
        "betas": {
            name: (0.1, 0.3) if name in ("softpo", "dpo") else (0.1,) for name in made.METHODS
        },
        "targets": (1, 6, 12),
        "seconds": True,
    },
    "one": {"methods": ["softpo"], "references": ("peaked",), "seeds": 1},
    "many": {"many": MANY, "methods": made.METHODS[:4], "seconds": True},
    "seeds": {"methods": made.METHODS[:2], "seeds": 10},
}


def drawn(grid) -> dict[str, Figure]:
    tables, many = made.tables(**grid), grid.get("many")
    methods = grid.get("methods", made.METHODS)
    runs = looks(tables["evaluations"], many)
    estimates = tables["values"].assign(target="many") if many else tables["values"]
    optimal = curves.optimal_rewards(tables["answers"], made.TASK)
    return {
        "answers": answers.draw(tables["answers"], methods, REFERENCES, named=many is not None),
        "curves": curves.draw(runs, optimal, methods, REFERENCES),
        "ablation": ablation.draw(runs[runs["kept"]], methods, REFERENCES),
        "values": values.draw(estimates, methods, REFERENCES),
        "budget": budget.draw(runs, methods, REFERENCES),
    }


@pytest.mark.parametrize("grid", GRIDS.values(), ids=list(GRIDS))
def test_every_grid_can_be_drawn_and_no_text_leaves_the_figure(grid):
    for name, figure in drawn(grid).items():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        boxes = [legend.get_window_extent(renderer) for legend in figure.legends]
        rows = sorted(boxes, key=lambda box: -box.y1)
        assert all(upper.y0 >= lower.y1 - 1 for upper, lower in pairwise(rows)), name
        boxes += [text.get_window_extent(renderer) for text in figure.texts]
        shown = [axis for axis in figure.axes if axis.get_visible()]
        boxes += [axis.get_tightbbox(renderer) for axis in shown]
        for box in boxes:
            assert min(box.x0, box.y0) >= 0, name
            assert box.x1 <= figure.bbox.width, name
            assert box.y1 <= figure.bbox.height, name
        assert all(np.isfinite(axis.get_ylim()).all() for axis in shown)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=list(GRIDS))
def test_titles_and_tick_labels_of_neighbours_stay_apart(grid):
    for name, figure in drawn(grid).items():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        titles = [axis._left_title for axis in figure.axes if axis.get_visible()]
        boxes = [title.get_window_extent(renderer) for title in titles if title.get_text()]
        assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k]), (
            name
        )
        for axis in figure.axes:
            labels = [label for label in axis.get_xticklabels() if label.get_text()]
            boxes = [label.get_window_extent(renderer) for label in labels if label.get_visible()]
            boxes.sort(key=lambda box: box.x0)
            assert all(left.x1 < right.x0 for left, right in pairwise(boxes)), name


def line(axis, colour: str):
    """The one curve of a colour."""
    (found,) = [
        one
        for one in axis.lines
        if len(one.get_xdata()) > 2 and matplotlib.colors.same_color(one.get_color(), colour)
    ]
    return found


def band(axis, colour: str) -> tuple[float, float]:
    (found,) = [
        one
        for one in axis.collections
        if matplotlib.colors.same_color(one.get_facecolor()[0][:3], colour)
    ]
    heights = found.get_paths()[0].vertices[:, 1]
    return heights.min(), heights.max()


def test_curves_are_means_over_seeds_at_equal_samples():
    """TV .9, .5 and .1, .3 after 0 and 100 samples: means .5 and .4; bands .1 to .9."""
    rows = made.rows(
        *(
            {"seed": seed, "step": step, "samples": 100 * step, "tv": tv, "reward": -tv}
            for seed, own in enumerate([[0.9, 0.5, 0.2], [0.1, 0.3, 0.6]])
            for step, tv in enumerate(own)
        ),
        # A run that ended early: where not all seeds are, there is no mean.
        *({"method": "dpo", "seed": 0, "step": step, "samples": 100 * step} for step in range(4)),
        *({"method": "dpo", "seed": 1, "step": step, "samples": 100 * step} for step in range(3)),
    )
    optimal = pd.Series({("uniform", 0.01, "train"): -0.25})
    figure = curves.draw(looks(rows, None), optimal, ["softpo", "dpo"], REFERENCES)
    tv, reward, valid = figure.axes
    colour = cells.styles(["softpo", "dpo"])["softpo"].colour
    found = line(tv, colour)
    assert list(found.get_xdata()) == [0, 100, 200]
    assert list(found.get_ydata()) == pytest.approx([0.5, 0.4, 0.4])
    assert band(tv, colour) == (0.1, 0.9)
    assert list(line(reward, colour).get_ydata()) == pytest.approx([-0.5, -0.4, -0.4])
    assert list(line(valid, style.FAMILY_COLOURS["dpo"]).get_xdata()) == [0, 100, 200]
    levels = [one.get_ydata()[0] for one in reward.lines if len(one.get_xdata()) == 2]
    assert levels == [-0.25]


def test_the_optimum_s_reward_is_that_of_the_optimal_policy():
    """Against the measures of the optimal policy itself."""
    tables = made.tables(["softpo"], betas=(0.1, 0.3), targets=(4,), seeds=1)
    found = curves.optimal_rewards(tables["answers"], made.TASK)
    task = NumberTask(target=4, **made.TASK)
    for reference in REFERENCES:
        for beta in (0.1, 0.3):
            known = made.reference_logps(reference)
            star = exact.optimum(task, known, beta)[:-1]
            wanted = exact.metrics(task, known, star, beta)["reward"]
            assert found[reference, beta, "train"] == pytest.approx(wanted, abs=1e-9)


def test_answers_have_the_distances_that_were_evaluated():
    tables = made.tables(["softpo_squared"], ("peaked",), seeds=2)
    found = answers.distances(tables["answers"])
    kept = tables["evaluations"][tables["evaluations"]["kept"]].set_index("seed")
    np.testing.assert_allclose(found["tv"], kept["tv"], rtol=1e-6)
    np.testing.assert_allclose(found["valid_mass"], kept["valid_mass"], rtol=1e-9)


def test_answers_are_drawn_over_their_numbers():
    """Two seeds, mean of the policy's probability of each number; the optimum's."""
    tables = made.tables(["softpo_squared"], ("uniform",), seeds=2)["answers"]
    [axis] = answers.draw(tables, ["softpo_squared"], REFERENCES, named=False).axes
    policy, optimum = [one for one in axis.patches if isinstance(one, StepPatch)]
    for patch, column in ((policy, "p_policy"), (optimum, "p_optimum")):
        heights, edges, _ = patch.get_data()
        np.testing.assert_allclose(heights, tables.groupby("number")[column].mean())
        np.testing.assert_allclose(edges, np.arange(13) + 0.5)
    (reference,) = [one for one in axis.lines if len(one.get_xdata()) == 12]
    np.testing.assert_allclose(reference.get_ydata(), made.VALID / 12)
    shown = answers.distances(tables).mean()
    [text] = [one.get_text() for one in axis.texts]
    assert text == f"TV {shown['tv']:.3f}, valid {shown['valid_mass']:.3f}"


def test_of_named_targets_a_few_of_each_split_are_shown():
    tables = made.tables(["softpo", "dpo"], ("uniform",), many=MANY)["answers"]
    figure = answers.draw(tables, ["softpo", "dpo"], REFERENCES, named=True)
    titles = [axis.get_title(loc="left").splitlines()[1] for axis in figure.axes]
    first = tables[tables["seed"] == 0]
    train, test = (
        list(dict.fromkeys(first.loc[first["split"] == split, "target"]))
        for split in ("train", "test")
    )
    wanted = [f"uniform, target {target} (trained)" for target in train[:2]]
    wanted += [f"uniform, target {target} (new)" for target in test]
    assert titles == wanted * 2


def test_every_cell_of_the_ablation_has_its_number_and_its_colour():
    """softpo reaches in both seeds at β .01, in one of two at .05; dpo is trained at .05 alone, in vain."""
    rows = made.rows(
        {"tv": 0.02},
        {"tv": 0.04, "seed": 1},
        {"beta": 0.05, "tv": 0.05},
        {"beta": 0.05, "tv": 0.25, "seed": 1},
        {"method": "dpo", "beta": 0.05, "tv": 0.5, "valid_mass": 0.1},
        {"method": "dpo", "beta": 0.05, "tv": 0.9, "valid_mass": 0.3, "seed": 1},
    )
    figure = ablation.draw(looks(rows, None), ["softpo", "dpo"], REFERENCES)
    tv, valid = figure.axes
    texts = {
        (int(text.get_position()[0]), int(text.get_position()[1])): text.get_text()
        for text in tv.texts
        if "0." not in text.get_text()[3:]
    }
    assert texts == {(0, 0): "0.030", (1, 0): "0.150", (0, 1): "–", (1, 1): "0.700"}
    assert "0.050–0.250" in [text.get_text() for text in tv.texts]
    for axis, wanted in ((tv, ["every seed", "some seeds", "no seed"]), (valid, None)):
        colours = [one.get_facecolor()[:3] for one in axis.patches if isinstance(one, Rectangle)]
        wanted = wanted or ["every seed", "every seed", "no seed"]
        assert len(colours) == 3
        for colour, name in zip(colours, wanted, strict=True):
            assert matplotlib.colors.same_color(colour, ablation.COLOURS[name])
    assert [label.get_text() for label in tv.get_xticklabels()] == ["β = 0.01", "β = 0.05"]
    assert [label.get_text() for label in tv.get_yticklabels()] == ["SoftPO", "DPO"]


def test_estimates_are_drawn_beside_the_exact_value_and_in_nats():
    """Estimates −.04, −.5 where −.04 is exact at β .01: off by 0 and 46 nats. ln .5 to ln 2 is sound."""
    usual = {
        "method": "softpo",
        "reference": "uniform",
        "beta": 0.01,
        "target": 1,
        "split": "train",
    }
    rows = pd.DataFrame(
        [
            usual
            | {"seed": seed, "step": step, "epoch": step, "value": value, "exact": -0.04}
            | {"step_beta": 0.01}
            for seed in (0, 1)
            for step, value in enumerate([-0.04, -0.5, -0.5])
        ]
    )
    level, error = values.draw(rows, ["softpo"], REFERENCES).axes
    colour = cells.styles(["softpo"])["softpo"].colour
    assert list(line(level, colour).get_ydata()) == pytest.approx([-0.04, -0.5, -0.5])
    assert list(line(level, style.INK).get_ydata()) == [-0.04] * 3
    assert list(line(error, colour).get_ydata()) == pytest.approx([0, 46, 46])
    (sound,) = [one for one in error.patches if isinstance(one, Rectangle)]
    ends = sound.get_y(), sound.get_y() + sound.get_height()
    assert ends == pytest.approx((np.log(0.5), np.log(2)))


def test_estimates_that_are_not_known_are_said_to_be_missing():
    tables = made.tables(["reinforce"], ("uniform",))
    unknown = tables["values"].assign(value=np.nan, feasibility=np.nan)
    for axis in values.draw(unknown, ["reinforce"], REFERENCES).axes:
        assert [text.get_text() for text in axis.texts] == ["no estimate"]


def test_seconds_have_a_panel_where_they_are_measured():
    """Seconds 1.5 a look, and .1 more in the second seed; the first look is before training."""
    for seconds, labels in ((True, ["Samples drawn", "Seconds"]), (False, ["Samples drawn"])):
        tables = made.tables(["softpo"], ("uniform",), seconds=seconds)
        axes = budget.draw(looks(tables["evaluations"], None), ["softpo"], REFERENCES).axes
        assert [axis.get_xlabel() for axis in axes] == labels
        colour = cells.styles(["softpo"])["softpo"].colour
        assert list(line(axes[0], colour).get_xdata()) == [100, 200, 300, 400]
        if seconds:
            found = line(axes[1], colour).get_xdata()
            assert list(found) == pytest.approx([1.55, 3.05, 4.55, 6.05])


def test_the_part_that_is_shown_is_the_beta_of_most_methods():
    """Two methods at β .05, one at .01 and .1; the first target."""
    runs = pd.DataFrame(
        {
            "method": ["a", "a", "b", "b", "b"],
            "beta": [0.01, 0.05, 0.05, 0.1, 0.05],
            "target": [1, 50, 50, 1, 1],
        }
    )
    part = cells.shown(runs)
    assert (part.beta, part.target) == (0.05, 50)
    assert part.words == (
        "β = 0.05, target 50 (in the ablation and the tables also β = 0.01, β = 0.1, target 1)"
    )
    assert cells.shown(runs.assign(target="many")).words.startswith("β = 0.05 (in")


def test_every_label_has_a_colour_of_its_own_and_dpo_its_usual_one():
    looks_of = cells.styles(made.METHODS)
    assert len({one.colour for one in looks_of.values()}) == len(made.METHODS)
    assert looks_of["dpo"] == style.method_styles(["dpo"])["dpo"]
    assert looks_of["softpo_published"].line == style.PUBLISHED_LINE
    assert [one.name for one in looks_of.values()] == [
        "SoftPO",
        "SoftPO (squared)",
        "SoftPO (published)",
        "SoftPO (published exact)",
        "REINFORCE",
        "DPO",
    ]


@pytest.mark.parametrize("many", [None, MANY])
def test_the_script_writes_both_files(tmp_path, many):
    paths = made.write(tmp_path, made.tables(["softpo", "dpo"], many=many))
    spec = {"methods": ["softpo", "dpo"], "references": REFERENCES, "many": many}
    spec["task"] = made.TASK
    for figure in (answers, curves, ablation, values, budget):
        outputs = plug_ins.draw(figure, paths, spec, tmp_path)
        assert outputs["svg"].read_bytes().startswith(b"<?xml")
        assert outputs["png"].read_bytes().startswith(b"\x89PNG")
