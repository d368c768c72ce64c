"""The tables over all runs: at equal KL, over seeds, which iteration is the result."""

import numpy as np
import pandas as pd
import pytest
import self_play_samples as made
from scipy import stats
from statsmodels.stats.multitest import multipletests

from prefgrid.files import reading
from prefgrid.studies.self_play import equal_kl

KAPPA = 0.5
PROMPTS = 200


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    paths = made.tabulated(tmp_path_factory.mktemp("tables"))
    return {name: reading.read_table(path) for name, path in paths.items()}


def interpolated(kl, win, kappa):
    return np.interp(np.sqrt(kappa), np.sqrt(kl), win, right=np.nan)


@pytest.mark.parametrize("kappa", made.KAPPAS)
def test_the_win_rate_at_one_kl_lies_on_the_line_through_the_iterates(tables, kappa):
    equal = tables["equal_kl"]
    found = equal[equal["kappa_nats"] == kappa].set_index(["method", "judge"])
    assert len(found) == 3 and len(equal) == 6
    iterations = tables["iterations"]
    iterations = iterations[~iterations["average"]]
    values = {}
    for (method, judge, seed), own in iterations.groupby(["method", "judge", "seed"]):
        values[method, judge, seed] = interpolated(own["kl_base_nats"], own["win_base"], kappa)
    for method, judge in found.index:
        own = [values[method, judge, seed] for seed in made.SEEDS]
        row = found.loc[(method, judge)]
        assert row["win"] == pytest.approx(np.mean(own))
        ends = stats.t.interval(0.95, 1, np.mean(own), stats.sem(own))
        assert (row["win_seeds_low"], row["win_seeds_high"]) == pytest.approx(ends)
        assert row["win_prompts_low_given_seeds"] < row["win"] < row["win_prompts_high_given_seeds"]
        assert (row["seeds"], row["seeds_missing"]) == (2, 0)
    row = found.loc[("gpo", "bt_scores")]
    gaps = [values["gpo", "bt_scores", s] - values["sppo", "bt_scores", s] for s in made.SEEDS]
    assert row["difference"] == pytest.approx(np.mean(gaps))
    assert row["p_seeds"] == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue)
    assert row["baseline"] == "sppo" and row["seeds_compared"] == 2
    # A baseline is not compared with itself.
    own = found.drop(("gpo", "bt_scores"))
    assert (
        own[["baseline", "difference", "p_seeds_holm", "p_prompts_holm_given_seeds"]]
        .isna()
        .all(axis=None)
    )


def made_up(kl, win, method="sppo", judge="bt", seed=0, spread=0.0, shared=0.0, kl_spread=0.0):
    """Prompts of a run whose values at each iterate scatter around their means: by `spread` alone, by `shared` as all
    runs do, and KLs by `kl_spread`."""
    random = np.random.default_rng([len(method), seed])
    common = shared * np.random.default_rng(7).normal(size=PROMPTS)
    frames = [
        pd.DataFrame(
            {
                "method": method,
                "judge": judge,
                "seed": seed,
                "iteration": iteration,
                "average": False,
                "prompt_id": [f"{number:016x}" for number in range(PROMPTS)],
                "kl_base_nats": own_kl + kl_spread * random.normal(size=PROMPTS) * (iteration > 0),
                "win_base": own_win
                + (spread * random.normal(size=PROMPTS) + common) * (iteration > 0),
            }
        )
        for iteration, (own_kl, own_win) in enumerate(zip(kl, win, strict=True))
    ]
    return pd.concat(frames)


def test_a_run_that_does_not_reach_the_kl_has_no_value_and_no_difference():
    prompts = pd.concat(
        [
            made_up([0, 0.2, 0.8], [0.5, 0.6, 0.7], spread=0.2),
            made_up([0, 0.2, 0.4], [0.5, 0.6, 0.7], method="gpo", spread=0.2),
        ]
    )
    runs = [{"method": method, "judge": "bt", "seed": 0} for method in ("sppo", "gpo")]
    found = equal_kl.table(prompts, runs, [0], "sppo", [KAPPA]).set_index("method")
    short = found.loc["gpo"]
    assert short[["win", "difference", "p_prompts_given_seeds"]].isna().all()
    assert (short["seeds"], short["seeds_missing"], short["kl_reached_nats"]) == (0, 1, 0.4)
    low, high = (found.loc["sppo", f"win_prompts_{end}_given_seeds"] for end in ("low", "high"))
    assert low < found.loc["sppo", "win"] < high


def test_over_prompts_it_is_the_paired_t_test_where_the_kl_is_certain():
    """κ is an iterate's own KL: the bootstrap is then one of a mean of paired differences."""
    prompts = pd.concat(
        [
            made_up([0, KAPPA, 1], [0.5, 0.6, 0.7], spread=0.2),
            made_up([0, KAPPA, 1], [0.5, 0.64, 0.7], method="gpo", spread=0.2),
        ]
    )
    runs = [{"method": method, "judge": "bt", "seed": 0} for method in ("sppo", "gpo")]
    found = equal_kl.table(prompts, runs, [0], "sppo", [KAPPA]).set_index("method").loc["gpo"]
    at = prompts[prompts["iteration"] == 1].pivot(
        index="prompt_id", columns="method", values="win_base"
    )
    test = stats.ttest_rel(at["gpo"], at["sppo"])
    ends = test.confidence_interval()
    assert found["difference"] == pytest.approx((at["gpo"] - at["sppo"]).mean())
    width = ends.high - ends.low
    # A bootstrap of 2000 draws.
    assert found["difference_prompts_low_given_seeds"] == pytest.approx(ends.low, abs=0.06 * width)
    assert found["difference_prompts_high_given_seeds"] == pytest.approx(
        ends.high, abs=0.06 * width
    )
    assert found["p_prompts_given_seeds"] == pytest.approx(test.pvalue, rel=0.3)
    # One seed says nothing over seeds.
    assert np.isnan(found["p_seeds"]) and np.isnan(found["difference_seeds_low"])


def test_differences_are_paired_by_prompt():
    """Hard prompts are hard for both: what they share has no part in the difference."""
    prompts = pd.concat(
        [
            made_up([0, KAPPA, 1], [0.5, 0.6, 0.7], spread=0.05, shared=0.3),
            made_up([0, KAPPA, 1], [0.5, 0.64, 0.7], method="gpo", spread=0.05, shared=0.3),
        ]
    )
    runs = [{"method": method, "judge": "bt", "seed": 0} for method in ("sppo", "gpo")]
    found = equal_kl.table(prompts, runs, [0], "sppo", [KAPPA]).set_index("method").loc["gpo"]
    at = prompts[prompts["iteration"] == 1].pivot(
        index="prompt_id", columns="method", values="win_base"
    )
    ends = [found[f"difference_prompts_{end}_given_seeds"] for end in ("low", "high")]
    paired = stats.ttest_rel(at["gpo"], at["sppo"]).confidence_interval()
    unpaired = stats.ttest_ind(at["gpo"], at["sppo"]).confidence_interval()
    width = paired.high - paired.low
    assert ends == pytest.approx(list(paired), abs=0.06 * width)
    assert unpaired.high - unpaired.low > 4 * (ends[1] - ends[0])


def test_the_noise_of_the_kl_is_part_of_the_interval():
    """The win rate is certain at each iterate, and κ is in the middle of a segment: of y = a + b·√KL the spread is
    that of the mean KL, by the delta method."""
    runs = [{"method": "sppo", "judge": "bt", "seed": 0}]
    kl, win, widths = [0, 1.0], [0.5, 0.9], []
    for kl_spread in (0.0, 0.5):
        prompts = made_up(kl, win, kl_spread=kl_spread)
        [row] = equal_kl.table(prompts, runs, [0], "sppo", [KAPPA]).to_dict("records")
        widths.append(row["win_prompts_high_given_seeds"] - row["win_prompts_low_given_seeds"])
    values = prompts[prompts["iteration"] == 1]["kl_base_nats"]
    # y(κ) = .5 + .4·√(κ/K), so |dy/dK| = .2·√κ·K^(−3/2).
    slope = 0.2 * np.sqrt(KAPPA) * values.mean() ** -1.5
    ends = stats.t.interval(0.95, PROMPTS - 1, scale=slope * stats.sem(values))
    assert widths[0] == pytest.approx(0, abs=1e-12)
    assert widths[1] == pytest.approx(ends[1] - ends[0], rel=0.06)


def test_holm_s_correction_is_over_every_kl_method_and_judge():
    methods, judges, kappas = ("sppo", "gpo", "kto_pair"), ("bt", "gpm"), [0.25, KAPPA]
    runs = [{"method": m, "judge": j, "seed": s} for j in judges for m in methods for s in (0, 1)]
    prompts = pd.concat(
        made_up([0, 1], [0.5, 0.6 + 0.01 * len(run["method"])], spread=0.2, **run) for run in runs
    )
    found = equal_kl.table(prompts, runs, [0, 1], "sppo", kappas)
    assert list(found["kappa_nats"]) == [0.25] * 6 + [KAPPA] * 6
    for p, corrected in (
        ("p_prompts_given_seeds", "p_prompts_holm_given_seeds"),
        ("p_seeds", "p_seeds_holm"),
    ):
        tested = found[found["baseline"].notna()]
        wanted = multipletests(tested[p], method="holm")[1]
        assert len(tested) == 8 and tested[corrected].tolist() == pytest.approx(wanted.tolist())
    alone = equal_kl.table(prompts, runs, [0, 1], "sppo", [KAPPA])
    own = found[found["kappa_nats"] == KAPPA].reset_index(drop=True)
    same = [name for name in found if "holm" not in name]
    pd.testing.assert_frame_equal(alone[same], own[same])


def test_a_judge_without_the_baseline_has_win_rates_and_no_differences():
    prompts = pd.concat(
        [
            made_up([0, 1], [0.5, 0.7], spread=0.1),
            made_up([0, 1], [0.5, 0.7], method="gpo", judge="gpm", spread=0.1),
        ]
    )
    runs = [
        {"method": "sppo", "judge": "bt", "seed": 0},
        {"method": "gpo", "judge": "gpm", "seed": 0},
    ]
    found = equal_kl.table(prompts, runs, [0], "sppo", [KAPPA])
    assert found[["method", "judge"]].to_numpy().tolist() == [["sppo", "bt"], ["gpo", "gpm"]]
    assert found["win"].notna().all() and found["difference"].isna().all()


def test_means_over_seeds_have_t_intervals_and_shares_stay_shares(tables):
    summary, iterations = tables["summary"], tables["iterations"]
    assert len(summary) == 3 * 5
    for own in summary.to_dict("records"):
        keys = ["method", "judge", "iteration", "average"]
        of = iterations[(iterations[keys] == pd.Series({k: own[k] for k in keys})).all(axis=1)]
        assert own["seeds"] == 2
        for name in ("win_base", "tokens", "kl_base_nats", "score_score", "change_score"):
            values = of[name].to_numpy()
            assert own[name] == pytest.approx(values.mean())
            if own["iteration"]:
                half = stats.t.ppf(0.975, 1) * stats.sem(values)
                low, high = values.mean() - half, values.mean() + half
                if name == "win_base":
                    low, high = max(low, 0), min(high, 1)
                assert (own[f"{name}_low"], own[f"{name}_high"]) == pytest.approx((low, high))
    assert (summary["win_base_high"] <= 1).all()


def test_every_run_has_its_result(tables):
    found = tables["selected"]
    assert found[["method", "judge", "seed"]].to_dict("records") == made.RUNS
    assert (found["iteration"] == 3).all() and not found["cross_fitted"].any()
    assert (tables["iterations"]["run"] == "default").all()
    assert len(tables["best_of"]) == len(made.RUNS) * 6


def test_a_study_without_classes_or_best_of_n_has_tables_all_the_same(tmp_path):
    runs = [{"method": "gpo", "judge": "bt_scores", "seed": 0}]
    paths = made.tabulated(tmp_path, runs, best=False, baseline="gpo")
    tables = {name: reading.read_table(path) for name, path in paths.items()}
    assert tables["classes"].empty and tables["best_of"].empty
    assert tables["summary"]["exploitability"].isna().all()
    assert len(tables["equal_kl"]) == len(made.KAPPAS)
