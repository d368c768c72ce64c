"""The bootstrap over prompts."""

import numpy as np
import pytest

from prefgrid import seeding
from prefgrid.statistics.bootstrap import (
    expanded_level,
    percentile_interval,
    replicates,
    resample_weights,
)
from prefgrid.statistics.frontier import reward_at_kl


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
