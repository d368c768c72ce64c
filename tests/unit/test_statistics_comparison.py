"""Tables of a grid: pairing, missing cells, units."""

import numpy as np
import pandas as pd
import pytest
import synthetic_study as study

from prefgrid.statistics import comparison, reference

KAPPA = 0.5


@pytest.fixture(scope="module")
def base():
    return reference.summarise(study.reference_samples())


@pytest.fixture(scope="module")
def samples():
    return study.samples()


def _tables(samples, base, methods=study.METHODS, seeds=(0, 1), kappa=KAPPA):
    runs = comparison.runs_at_kl(study.evaluations(samples), kappa, base)
    values = comparison.prompts_at_kl(samples, kappa, base)
    summary = comparison.summarise(runs, values, base, kappa, methods, seeds)
    return runs, values, summary, comparison.differences(runs, values, base, methods, "dpo")


def test_reference_units():
    samples = pd.DataFrame({"prompt_id": ["a", "a", "b", "b"], "reward": [0.0, 2.0, 2.0, 4.0]})
    base = reference.summarise(samples)
    assert base.reward_mean == 2.0
    assert base.reward_sd == pytest.approx(np.sqrt(2))  # deviations −2, 0, 0, 2
    assert base.within_sd == 1.0
    assert base.gain(2.0 + np.sqrt(2)) == pytest.approx(1.0)


def test_every_cell_has_a_row_and_prompt_values_average_to_the_runs(samples, base):
    runs, values, summary, _ = _tables(samples, base)
    assert len(summary) == 4 * 2 * 2
    means = values.groupby(comparison.RUN)["value"].mean()
    assert means.to_numpy() == pytest.approx(runs.set_index(comparison.RUN)["reward"].to_numpy())


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


def test_pairing_narrows_the_prompt_interval(samples, base):
    _, _, summary, differences = _tables(samples, base)
    paired = differences["difference_sd_prompts_high_given_seeds"] - differences["difference_sd"]
    alone = summary["gain_sd_prompts_high_given_seeds"] - summary["gain_sd"]
    assert paired.median() < 0.7 * alone.median()


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


def test_holm_covers_the_comparisons_of_one_n(samples, base):
    differences = _tables(samples, base)[3]
    for _, rows in differences.groupby("n"):
        assert len(rows) == 6
        smallest = rows["p_seeds"].idxmin()
        expected = min(1.0, 6 * rows.loc[smallest, "p_seeds"])
        assert rows.loc[smallest, "p_seeds_holm"] == pytest.approx(expected)


def test_a_baseline_alone_has_no_differences(samples, base):
    own = samples[samples["method"] == "dpo"]
    differences = _tables(own, base, ["dpo"])[3]
    assert differences.empty
    assert list(differences) == comparison.DIFFERENCE_COLUMNS


def test_prompts_must_agree(samples, base):
    with pytest.raises(ValueError, match="same prompts"):
        comparison.prompts_at_kl(samples.iloc[1:], KAPPA, base)
