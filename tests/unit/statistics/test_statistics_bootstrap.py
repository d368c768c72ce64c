"""The bootstrap over prompts."""

import numpy as np
import pytest
from scipy import stats

from prefgrid import seeding
from prefgrid.statistics.bootstrap import (
    expanded_level,
    mean_p,
    percentile_interval,
    replicates,
    resample_weights,
)
from prefgrid.statistics.frontier import reward_at_kl
from prefgrid.statistics.intervals import holm


def test_a_replicate_is_the_whole_curve_of_resampled_prompts():
    """Each row of weights against gathering the drawn prompts by their numbers."""
    rng = np.random.default_rng(0)
    kl_nats, reward = rng.gamma(6, [[0.05], [0.25]], (2, 12)), rng.normal(size=(2, 12))
    weights = resample_weights(12, seeding.stream(0, "test"), draws=40)
    assert weights.shape == (40, 12)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    for row, value in zip(weights, replicates(kl_nats, reward, weights, 0.8), strict=True):
        drawn = np.repeat(np.arange(12), np.round(12 * row).astype(int))
        expected = reward_at_kl(kl_nats[:, drawn].mean(1), reward[:, drawn].mean(1), 0.8)
        assert value == pytest.approx(expected, nan_ok=True)


def test_the_same_stream_gives_the_same_resamples():
    first, second = (resample_weights(5, seeding.stream(3, "test"), draws=7) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_resamples_that_miss_kappa_widen_the_interval_on_both_sides():
    """Values 0 … 99. Three of 100 missing, level 90 %: the lower end is the 5 % point of three
    values below everything and 97 others (position 4.95 → between the sorted 1 and 2)."""
    values = np.arange(100.0)
    whole = percentile_interval(values, 0.9)
    assert (whole.low, whole.high, whole.missed) == pytest.approx((4.95, 94.05, 0))
    values[[10, 50, 90]] = np.nan
    low, high, missed = percentile_interval(values, 0.9)
    assert (low, high, missed) == pytest.approx((1.95, 97.05, 3))


def test_an_end_that_lies_among_the_missing_is_unknown():
    values = np.arange(100.0)
    values[:6] = np.nan
    low, high, missed = percentile_interval(values, 0.9)
    assert np.isnan(low) and np.isnan(high) and missed == 6
    assert percentile_interval(np.full(10, np.nan)).missed == 10


def test_the_level_is_expanded_for_few_prompts():
    """P = 10, 95 %: t(.975, 9) = 2.26216, times √(10/9) = 2.38452; 1 − 2·Φ(−2.38452) = .98290."""
    assert expanded_level(10) == pytest.approx(0.98290, abs=1e-5)
    assert expanded_level(100_000, 0.9) == pytest.approx(0.9, abs=1e-5)
    assert np.isnan(expanded_level(1))
    assert np.isnan(percentile_interval(np.ones(50), expanded_level(1)).low)


def test_few_prompts_are_covered_as_often_as_the_interval_says():
    """8 prompts, nominal 90 %, means of normal rewards: plain percentiles cover some 83 %."""
    rng = np.random.default_rng(0)
    weights = resample_weights(8, seeding.stream(0, "test"), draws=400)
    covered = []
    for reward in rng.normal(size=(1000, 8)):
        values = weights @ reward
        intervals = [percentile_interval(values, level) for level in (0.9, expanded_level(8, 0.9))]
        covered.append([interval.low < 0 < interval.high for interval in intervals])
    plain, expanded = np.mean(covered, axis=0)
    assert plain < 0.86
    assert expanded == pytest.approx(0.9, abs=0.03)


def test_p_values_are_those_of_a_t_test_over_prompts():
    """The mean of P values: replicates spread by their sd (ddof 0)/√P, the t test's by ddof 1."""
    values = np.random.default_rng(0).normal(0.3, 1, 40)
    weights = resample_weights(40, np.random.default_rng(1), draws=100_000)
    found = mean_p(weights @ values, 40)
    assert found == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=0.02)


def test_p_values_at_the_ends():
    assert np.isnan(mean_p(np.array([0.1, np.nan, 0.2]), 40))
    assert np.isnan(mean_p(np.array([0.1, 0.1]), 1))
    assert mean_p(np.zeros(9), 40) == 1.0
    assert mean_p(np.full(9, 0.25), 40) == 0.0


@pytest.mark.parametrize("prompts", [12, 60])
def test_after_holm_all_of_twelve_comparisons_to_a_baseline_are_spared(prompts):
    """1500 tables without a difference: at level 5 % one or more are called so in 5 % at most, in less
    where four methods share a baseline; intervals at 95 % each do so in a third of the tables."""
    rng = np.random.default_rng(0)
    weights = resample_weights(prompts, rng, draws=400)
    level = expanded_level(prompts)
    corrected, uncorrected = [], []
    for _ in range(1500):
        rewards = rng.normal(0, 1, (4, 4, prompts))
        gaps = (rewards[:, 1:] - rewards[:, :1]).reshape(12, prompts) @ weights.T
        corrected.append((holm(np.array([mean_p(gap, prompts) for gap in gaps])) < 0.05).any())
        tails = np.quantile(gaps, [(1 - level) / 2, (1 + level) / 2], axis=1)
        uncorrected.append(((tails[0] > 0) | (tails[1] < 0)).any())
    assert 0.02 < np.mean(corrected) < 0.06
    assert np.mean(uncorrected) > 0.25
