"""The tables of the soft-policy study: means, worst estimates and paired differences of what runs gave."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soft_policy_samples as made
from scipy import stats

from prefgrid.statistics.intervals import holm
from prefgrid.studies.soft_policy import exact
from prefgrid.studies.soft_policy.looks import GROUPS, grouped, looks, reached
from prefgrid.studies.soft_policy.task import NumberTask
from soft_policy import tabulate_soft_policy

CELL = ["method", *GROUPS]
# What the tables of runs by hand do not look at.
NO_ESTIMATES = pd.DataFrame(
    columns=[*CELL, "estimator", "exact", "value", "step_beta", "feasibility"]
)
NO_AIMS = pd.DataFrame(columns=[*CELL, "p_optimum"])


def estimates(*changes) -> pd.DataFrame:
    usual = {
        "method": "softpo",
        "reference": "uniform",
        "beta": 0.01,
        "target": 1,
        "split": "train",
    }
    usual |= {"seed": 0, "step": 0, "estimator": "reference", "step_beta": 0.01, "exact": -0.04}
    return pd.DataFrame([usual | change for change in changes]).assign(feasibility=1.0)


def summary(*changes, seeds=2, methods=("softpo",)) -> pd.DataFrame:
    runs = looks(made.rows(*changes), None)
    own = estimates(*({"method": method, "value": -0.04} for method in methods))
    return tabulate_soft_policy.summary(runs, own, NO_AIMS, list(methods), seeds)


def test_means_and_intervals_over_seeds():
    """TV .02 and .06: mean .04, half width 12.706·.02828/√2 = .25412; one seed of two, mean .04."""
    [row] = summary({"tv": 0.02}, {"seed": 1, "tv": 0.06}).to_dict("records")
    assert row["tv"] == pytest.approx(0.04)
    half = stats.t.ppf(0.975, 1) * 0.02
    assert [row["tv_low"], row["tv_high"]] == pytest.approx([0.04 - half, 0.04 + half])
    assert (row["seeds"], row["seeds_missing"]) == (2, 0)
    [row] = summary({"tv": 0.04}).to_dict("records")
    assert (row["tv"], row["seeds"], row["seeds_missing"]) == (0.04, 1, 1)
    assert np.isnan(row["tv_low"])


def test_the_kept_look_counts_and_not_the_last():
    [row] = summary({"tv": 0.03}, {"step": 20, "tv": 0.5, "kept": False}).to_dict("records")
    assert row["tv"] == 0.03


@pytest.mark.parametrize(
    ("second", "share"),
    [
        ({"tv": 0.099, "valid_mass": 0.971}, 1.0),
        ({"tv": 0.1}, 0.5),
        ({"valid_mass": 0.97}, 0.5),
    ],
)
def test_a_seed_is_at_the_optimum_by_tv_and_by_valid_mass(second, share):
    [row] = summary({}, {"seed": 1} | second).to_dict("records")
    assert row["seeds_reached_share"] == share


def test_samples_until_the_bound_are_of_the_first_look_below_it():
    """Seed 0 is below .1 at 200 samples, leaves again and returns; seed 1 at 400: mean 300. A seed that
    never is leaves no mean."""
    tvs = {0: [0.9, 0.05, 0.3, 0.05], 1: [0.9, 0.5, 0.2, 0.09]}
    listed = [
        {"seed": seed, "step": step, "samples": 100 * (step + 1), "tv": tv, "kept": step == 3}
        for seed, own in tvs.items()
        for step, tv in enumerate(own)
    ]
    [row] = summary(*listed).to_dict("records")
    assert row["samples_to_tv"] == 300
    listed[-1]["tv"] = 0.1
    [row] = summary(*listed).to_dict("records")
    assert np.isnan(row["samples_to_tv"]) and np.isnan(row["samples_to_tv_low"])


def test_the_worst_estimate_is_the_one_that_shifts_targets_most():
    """−.05 is off by 1 nat at β .01, −.14 at β .1 by 1 nat, −.09 at β .01 by 5 nats."""
    off = estimates(
        {"value": -0.05},
        {"value": -0.14, "step_beta": 0.1, "step": 10},
        {"value": -0.09, "step": 20, "seed": 1},
        {"value": -0.01, "step": 30},
        {"value": np.nan, "step": 40},
        {"method": "other", "value": np.nan, "estimator": "group"},
    )
    found = tabulate_soft_policy.farthest_off(off)
    place = ("uniform", 0.01, 1, "train")
    row = found.loc[("softpo", *place)]
    assert row["value_error"] == pytest.approx(-0.05)
    assert row["value_shift_nats"] == pytest.approx(5)
    assert row["value"] == -0.09
    other = found.loc[("other", *place)]
    assert other["estimator"] == "group" and np.isnan(other["value_shift_nats"])


def test_differences_are_paired_by_seed_and_one_family():
    """Against scipy's paired t test and Holm's correction of its p values."""
    rng = np.random.default_rng(0)
    tvs = {method: rng.random(5) for method in ("softpo", "a", "b")}
    runs = looks(
        made.rows(
            *(
                {"method": method, "seed": seed, "tv": tv}
                for method, own in tvs.items()
                for seed, tv in enumerate(own)
            )
        ),
        None,
    )
    table = tabulate_soft_policy.differences(runs, ["softpo", "a", "b"], "softpo")
    assert table["method"].tolist() == ["a", "b"]
    p = np.array([stats.ttest_rel(tvs[name], tvs["softpo"]).pvalue for name in ("a", "b")])
    np.testing.assert_allclose(table["p"], p, rtol=1e-9)
    np.testing.assert_allclose(table["p_holm"], holm(p), rtol=1e-9)
    assert table["difference"].iloc[0] == pytest.approx((tvs["a"] - tvs["softpo"]).mean())
    assert table["seeds_needed"].notna().all()
    few = tabulate_soft_policy.differences(runs[runs["seed"] < 3], ["softpo", "a", "b"], "softpo")
    assert few["seeds_needed"].isna().all()


def test_a_method_has_rows_where_it_is_trained_and_differences_where_both_are():
    """softpo at β .01 and .05, `a` at .05 alone, `b` at .1 alone."""
    places = {"softpo": (0.01, 0.05), "a": (0.05,), "b": (0.1,)}
    listed = [
        {"method": method, "beta": beta, "seed": seed}
        for method, betas in places.items()
        for beta in betas
        for seed in (0, 1)
    ]
    runs = looks(made.rows(*listed), None)
    own = estimates(
        *(
            {"method": method, "beta": beta, "value": -0.04}
            for method, betas in places.items()
            for beta in betas
        )
    )
    found = tabulate_soft_policy.summary(runs, own, NO_AIMS, list(places), 2)
    assert [tuple(row) for row in found[["method", "beta"]].to_numpy()] == [
        ("softpo", 0.01),
        ("softpo", 0.05),
        ("a", 0.05),
        ("b", 0.1),
    ]
    assert found["seeds_missing"].eq(0).all()
    table = tabulate_soft_policy.differences(runs, list(places), "softpo")
    assert table[["method", "beta"]].to_numpy().tolist() == [["a", 0.05]]


def test_many_targets_are_means_of_each_split():
    """TV .1 and .3 on two targets of the seed, .5 on another: .2 and .5. Seeds have other targets."""
    listed = [
        {"target": 3, "tv": 0.1},
        {"target": 7, "tv": 0.3},
        {"target": 9, "split": "test", "tv": 0.5},
        {"seed": 1, "target": 9, "tv": 0.2},
        {"seed": 1, "target": 4, "tv": 0.2},
        {"seed": 1, "target": 3, "split": "test", "tv": 0.7},
    ]
    many = {"trained": 2, "tested": 1}
    runs = looks(made.rows(*listed), many)
    aims = made.rows(*listed).assign(p_optimum=[0.2, 0.4, 0.9, 0.6, 0.8, 0.5])
    own = grouped(estimates({"target": 3, "value": -0.04}, {"target": 7, "value": -0.05}), many)
    found = tabulate_soft_policy.summary(runs, own, grouped(aims, many), ["softpo"], 2)
    assert found[["target", "split"]].to_numpy().tolist() == [["many", "test"], ["many", "train"]]
    test, train = found.to_dict("records")
    assert (test["tv"], train["tv"]) == pytest.approx((0.6, 0.2))
    assert (test["p_target_optimum"], train["p_target_optimum"]) == pytest.approx((0.7, 0.5))
    # Nothing is trained on the others.
    assert pd.isna(test["estimator"]) and train["value_shift_nats"] == pytest.approx(1)


def test_reached_is_strict():
    runs = pd.DataFrame({"tv": [0.0999, 0.1, 0.05], "valid_mass": [0.98, 0.98, 0.97]})
    assert reached(runs).tolist() == [True, False, False]


@pytest.mark.parametrize("many", [None, {"trained": 3, "tested": 2}])
def test_the_script_writes_both_tables(tmp_path: Path, many):
    """TV of a policy w·π_ref + (1 − w)·π* is w times that before training; w is .02 and .022."""
    tables = made.tables(many=many)
    paths = made.write(tmp_path, tables)
    outputs = {name: tmp_path / f"{name}.csv" for name in ("summary", "differences")}
    inputs = {"evaluations": "evaluations", "estimates": "values", "answers": "answers"}
    spec = {"methods": made.METHODS, "baseline": "softpo", "seeds": 2, "many": many}
    spec["sources"] = {"base_model": "tiny"}
    job = SimpleNamespace(
        spec=spec, inputs={name: paths[path] for name, path in inputs.items()}, outputs=outputs
    )
    tabulate_soft_policy.main(job)
    found = {name: pd.read_csv(path) for name, path in outputs.items()}
    splits = 2 if many else 1
    assert len(found["summary"]) == len(made.METHODS) * 2 * splits
    assert len(found["differences"]) == (len(made.METHODS) - 1) * 2 * splits
    assert all(table["base_model"].eq("tiny").all() for table in found.values())
    first = found["summary"].set_index(["method", "reference", "split"])
    runs = looks(tables["evaluations"], many)
    before = runs[(runs["step"] == 0) & (runs["method"] == "softpo")]
    before = before.set_index(["reference", "split", "seed"])["tv"]
    for reference in ("uniform", "peaked"):
        row = first.loc[("softpo", reference, "train")]
        ends = [share * before[reference, "train", seed] for seed, share in ((0, 0.02), (1, 0.022))]
        assert row["tv"] == pytest.approx(np.mean(ends), rel=1e-6)
        assert row["seeds_reached_share"] == 1
        assert row["value_shift_nats"] == 0
        aims = []
        answers = tables["answers"]
        own = answers[(answers["method"] == "softpo") & (answers["split"] == "train")]
        for target in own.loc[own["reference"] == reference, "target"][:: made.TASK["hi"]]:
            star = exact.optimum(
                NumberTask(target=int(target), **made.TASK), made.reference_logps(reference), 0.1
            )
            aims.append(np.exp(star[target - made.TASK["lo"]]))
        assert row["p_target_optimum"] == pytest.approx(np.mean(aims))
        published = first.loc[("softpo_published", reference, "train")]
        assert published["value"] == -0.5
        assert np.exp(published["value_shift_nats"]) == pytest.approx(published["feasibility"])
