"""Tables of a grid: pairing, missing cells, units."""

import numpy as np
import pandas as pd
import pytest
import synthetic_study as study
from scipy import stats

from prefgrid.statistics import comparison, reference
from prefgrid.statistics.intervals import holm
from prefgrid.statistics.prompts import CELL, RUN, prompts_at_kl

KAPPA = 0.5


@pytest.fixture(scope="module")
def base():
    return reference.summarise(study.reference_samples())


@pytest.fixture(scope="module")
def samples():
    noise = reference.scan_noise(study.reference_samples(), 1)
    return reference.controlled_samples(study.samples(), noise)


def _tables(samples, base, methods=study.METHODS, seeds=(0, 1), kappa=KAPPA):
    runs = comparison.runs_at_kl(study.evaluations(samples), kappa, base)
    prompts = prompts_at_kl(samples, kappa, base)
    summary = comparison.summarise(runs, prompts, base, kappa, methods, seeds)
    return runs, prompts, summary, comparison.differences(runs, prompts, base, methods, "dpo")


def test_reference_units():
    samples = pd.DataFrame({"prompt_id": ["a", "a", "b", "b"], "reward": [0.0, 2.0, 2.0, 4.0]})
    base = reference.summarise(samples)
    assert base.reward_mean == 2.0
    assert base.reward_sd == pytest.approx(np.sqrt(2))  # deviations −2, 0, 0, 2
    assert base.within_sd == 1.0
    assert base.gain(2.0 + np.sqrt(2)) == pytest.approx(1.0)


def test_every_cell_has_a_row_and_replicates_lie_around_the_runs(samples, base):
    """The mean of a run's 2000 replicates is its reward, up to bootstrap noise and curvature."""
    runs, prompts, summary, _ = _tables(samples, base)
    assert len(summary) == 4 * 2 * 2
    rewards = runs.set_index(RUN)["reward"]
    assert prompts.runs.index.equals(rewards.index)
    spread = prompts.runs.std(axis=1)
    assert ((prompts.runs.mean(axis=1) - rewards).abs() < 0.15 * spread).all()
    own = prompts.of_runs()
    assert (own["reward_prompts_low"] < rewards).all()
    assert (own["reward_prompts_high"] > rewards).all()


def test_the_area_is_measured_from_the_reference_to_a_kl_that_all_reach(samples, base):
    runs, _, summary, _ = _tables(samples, base)
    # One KL in the table, of the shift at which scans reach least.
    assert runs["area_kl_high"].eq(runs["kl_high"].min()).all()
    assert runs[runs["shift"] == 0.0]["kl_high"].min() > 1.5 * runs["kl_high"].min()
    assert summary["area_kl_high"].nunique() == 1
    cell = (runs["method"] == "ospo") & (runs["shift"] == 4.0) & (runs["n"] == 1500)
    row = summary.set_index(["method", "shift", "n"]).loc[("ospo", 4.0, 1500)]
    expected = base.gain(runs[cell]["mean_height"].mean())
    assert row["mean_gain_sd"] == pytest.approx(expected)
    # Below the gain at the interval's end and above 0: the frontier rises from the reference.
    assert 0 < row["mean_gain_sd"] < row["gain_sd"] * np.sqrt(row["area_kl_high"] / KAPPA)


def test_differences_are_paired(samples, base):
    """DPO's own numbers plus a constant: the difference is that constant, without any spread."""
    own = samples[samples["method"] == "dpo"]
    shifted = own.assign(method="pspo", reward=own["reward"] + 0.2)
    # κ lies above the smallest scanned KL, so both ends of the interpolation are shifted.
    _, _, _, differences = _tables(pd.concat([own, shifted]), base, ["dpo", "pspo"])
    assert differences["difference_sd"].to_numpy() == pytest.approx(0.2 / base.reward_sd)
    width = (
        differences["difference_sd_prompts_high_given_seeds"]
        - differences["difference_sd_prompts_low_given_seeds"]
    )
    assert width.to_numpy() == pytest.approx(0, abs=1e-9)


def test_the_change_with_the_shift_is_paired_by_prompt(samples, base):
    """The same numbers at both shifts, less 0.3 at the higher one: that on every prompt."""
    own = samples[(samples["method"] == "dpo") & (samples["shift"] == 0.0)]
    shifted = own.assign(shift=4.0, reward=own["reward"] - 0.3)
    _, _, summary, _ = _tables(pd.concat([own, shifted]), base, ["dpo"])
    ends = [f"shift_change_sd_prompts_{end}_given_seeds" for end in ("low", "high")]
    changes = summary.set_index("shift")[ends]
    assert changes.loc[4.0].to_numpy() == pytest.approx(-0.3 / base.reward_sd)
    assert changes.loc[0.0].isna().all(axis=None)


def test_the_scans_noise_leaves_the_prompt_interval_of_gains(samples, base):
    """Noise of sd 0.9 and 0.4 a run before, 0.4 after: √(.97/.16) ≈ 2.5 times narrower, less
    what both share (KL noise)."""
    controlled, raw = (_tables(frame, base)[2] for frame in (samples, study.samples()))
    width, before = (
        table["gain_sd_prompts_high_given_seeds"] - table["gain_sd_prompts_low_given_seeds"]
        for table in (controlled, raw)
    )
    assert width.median() < 0.6 * before.median()


def test_a_run_that_does_not_reach_the_kl_is_missing(samples, base):
    short = samples[(samples["seed"] != 1) | (samples["method"] != "pspo") | (samples["beta"] > 2)]
    _, _, summary, differences = _tables(short, base)
    row = summary[(summary["method"] == "pspo") & (summary["shift"] == 4.0)].iloc[0]
    assert (row["seeds"], row["seeds_missing"]) == (1, 1)
    assert "not scanned up to KL 0.5" in row["missing"]
    assert np.isnan(row["reward_seeds_low"])
    assert differences[differences["method"] == "pspo"]["seeds"].eq(1).all()
    assert summary[summary["method"] == "dpo"]["missing"].eq("").all()


def test_a_cell_without_any_run_is_listed_as_missing(samples, base):
    partial = samples[(samples["method"] != "rspo") | (samples["shift"] != 4.0)]
    _, _, summary, differences = _tables(partial, base)
    row = summary[(summary["method"] == "rspo") & (summary["shift"] == 4.0)].iloc[0]
    assert row["missing"] == "2 not evaluated"
    assert np.isnan(row["reward"])
    gap = differences[(differences["method"] == "rspo") & (differences["shift"] == 4.0)]
    assert gap["seeds"].eq(0).all()


@pytest.mark.parametrize(
    ("p", "p_holm"),
    [
        ("p_seeds", "p_seeds_holm"),
        ("p_prompts_given_seeds", "p_prompts_holm_given_seeds"),
    ],
)
def test_holm_covers_the_whole_table(samples, base, p, p_holm):
    """Three methods, two shifts, two n: twelve comparisons over seeds, and as many over prompts."""
    differences = _tables(samples, base)[3]
    assert len(differences) == 12
    smallest = differences.loc[differences[p].idxmin()]
    assert smallest[p_holm] == pytest.approx(min(1.0, 12 * smallest[p]))
    assert differences[p_holm].to_numpy() == pytest.approx(holm(differences[p].to_numpy()))


def test_p_over_prompts_is_that_of_a_paired_t_test_of_the_prompts(samples, base):
    """At a scanned point whose KL is κ on every prompt, a run's reward is the mean over its prompts."""
    # β 0.25, 0.5, 1 at KL 4κ, κ, κ/4, on every prompt.
    fixed = samples[samples["beta"].isin([0.25, 0.5, 1.0])]
    fixed = fixed.assign(kl_nats=KAPPA * (0.5 / fixed["beta"]) ** 2)
    _, _, summary, differences = _tables(fixed, base)
    by_prompt = fixed[fixed["beta"] == 0.5].groupby([*CELL, "prompt_id"])["reward"].mean()
    for row in differences.to_dict("records"):
        first, second = (by_prompt[name, row["shift"], row["n"]] for name in (row["method"], "dpo"))
        expected = stats.ttest_rel(first, second).pvalue
        # The bootstrap's standard error has itself one of 1/√(2·2000), 1.6 %.
        assert stats.norm.isf(row["p_prompts_given_seeds"] / 2) == pytest.approx(
            stats.norm.isf(expected / 2), rel=0.06, abs=0.06
        )
    change = summary.set_index(CELL).loc[("ospo", 4.0, 500), "shift_change_p_prompts_given_seeds"]
    expected = stats.ttest_rel(by_prompt["ospo", 4.0, 500], by_prompt["ospo", 0.0, 500]).pvalue
    assert stats.norm.isf(change / 2) == pytest.approx(stats.norm.isf(expected / 2), rel=0.06)
    lowest = summary[summary["shift"] == 0.0]
    assert lowest["shift_change_p_prompts_given_seeds"].isna().all()


def test_a_baseline_alone_has_no_differences(samples, base):
    own = samples[samples["method"] == "dpo"]
    differences = _tables(own, base, ["dpo"])[3]
    assert differences.empty
    assert list(differences) == list(_tables(samples, base)[3])


def test_prompts_must_agree(samples, base):
    with pytest.raises(ValueError, match="same prompts"):
        prompts_at_kl(samples.iloc[1:], KAPPA, base)
    first = samples["prompt_id"] == study.PROMPTS[0]
    with pytest.raises(ValueError, match="same prompts"):
        prompts_at_kl(samples[~first | (samples["method"] != "rspo")], KAPPA, base)


# --- the noise that all scans share ----------------------------------------------------------------

# Two prompts, four reference samples each: means 2.5 and 4.5, of the first two 1.5 and 6.
REFERENCE_ROWS = pd.DataFrame(
    {
        "prompt_id": ["a"] * 4 + ["b"] * 4,
        "sample": [0, 1, 2, 3] * 2,
        "reward": [1.0, 2.0, 3.0, 4.0, 8.0, 4.0, 2.0, 4.0],
    }
)
ONE_RUN = {"method": "dpo", "shift": 0.0, "n": 500, "seed": 0}


def _scan(points: dict[float, tuple[float, list[float]]]) -> pd.DataFrame:
    """{β: (KL, rewards of (a, 0), (a, 1), (b, 0), (b, 1))} as a scan's samples."""
    return pd.concat(
        pd.DataFrame(
            {
                **ONE_RUN,
                "beta": beta,
                "prompt_id": list("aabb"),
                "sample": [0, 1] * 2,
                "reward": rewards,
                "kl_nats": kl_nats,
            }
        )
        for beta, (kl_nats, rewards) in points.items()
    )


def test_the_scans_noise_is_what_its_samples_add_to_the_mean():
    noise = reference.scan_noise(REFERENCE_ROWS, 2)
    assert noise.to_dict() == {"a": 1.5 - 2.5, "b": 6.0 - 4.5}
    assert reference.scan_noise(REFERENCE_ROWS, 4).eq(0).all()
    for short in (
        REFERENCE_ROWS.query("sample != 1"),
        REFERENCE_ROWS.query("prompt_id != 'b' or sample > 1"),
    ):
        with pytest.raises(ValueError, match="samples 0 to 1"):
            reference.scan_noise(short, 2)


def test_a_scan_that_tends_to_the_reference_gains_exactly_nothing_there():
    """Its row at β → ∞ is the reference under the same noise: levels 2.5 and 4.5, gain 0."""
    base = reference.summarise(REFERENCE_ROWS)
    noise = reference.scan_noise(REFERENCE_ROWS, 2)
    scan = _scan({1e9: (1e-6, [1.0, 2.0, 8.0, 4.0]), 1.0: (1.0, [4.0, 3.0, 9.0, 9.0])})
    samples = reference.controlled_samples(scan, noise)
    evaluations = reference.controlled_evaluations(study.evaluations(scan), noise)

    for kappa in (0.0, 5e-7, 1e-6):
        runs = comparison.runs_at_kl(evaluations, kappa, base)
        prompts = prompts_at_kl(samples, kappa, base)
        summary = comparison.summarise(runs, prompts, base, kappa, ["dpo"], [0]).iloc[0]
        assert summary["gain_sd"] == 0.0
        assert summary["reward"] == base.reward_mean == 3.5
        # Every prompt gains 0, so the interval over prompts has no width either.
        assert summary["gain_sd_prompts_low_given_seeds"] == 0.0
        assert summary["gain_sd_prompts_high_given_seeds"] == 0.0

    # At KL 1: mean 6.25, the reference's under this noise 3.75, so 2.5 above it: level 3.5 + 2.5.
    run = comparison.runs_at_kl(evaluations, 1.0, base).iloc[0]
    assert run["reward"] == pytest.approx(6.0)
    assert base.gain(run["reward"]) == pytest.approx(2.5 / base.reward_sd)
    # Per prompt: 3.5 − 1.5 = 2 above 2.5, and 9 − 6 = 3 above 4.5. Two prompts have the resamples aa,
    # ab, bb, with rewards 4.5, 6 and 7.5.
    found = prompts_at_kl(samples, 1.0, base).runs.to_numpy()
    assert np.unique(found.round(9)).tolist() == [4.5, 6.0, 7.5]


def test_common_noise_moves_no_difference_between_methods(samples, base):
    raw = _tables(study.samples(), base)[3]
    controlled = _tables(samples, base)[3]
    # Both ends of the interpolation are scanned points here, so the noise cancels to rounding.
    pd.testing.assert_frame_equal(raw, controlled)
