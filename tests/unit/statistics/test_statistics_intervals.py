"""Intervals over few values, and Holm's correction."""

import numpy as np
import pytest

from prefgrid.statistics.intervals import holm, t_interval, t_test_p, wilson_interval


def test_two_seeds_use_the_t_multiplier():
    """sd = √2·|1 − 0|/2 = 0.7071, se = 0.5, t(0.975, 1) = 12.706, half width 6.353."""
    interval = t_interval(np.array([0.0, 1.0]))
    assert interval.mean == 0.5
    assert interval.high - interval.mean == pytest.approx(12.7062 * 0.5, rel=1e-5)
    assert not interval.excludes(0)
    assert interval.count == 2


def test_four_seeds_at_90_percent_use_2_35_and_not_1_64():
    """Values ±1, ±1: sd = √(4/3), se = √(1/3); t(0.95, 3) = 2.3534."""
    interval = t_interval(np.array([-1.0, 1.0, -1.0, 1.0]), level=0.9)
    assert interval.high == pytest.approx(2.3534 / np.sqrt(3), rel=1e-4)


def test_missing_values_are_left_out_and_not_counted():
    assert t_interval(np.array([1.0, np.nan, 3.0])).count == 2
    one = t_interval(np.array([1.0, np.nan]))
    assert (one.mean, one.count) == (1.0, 1)
    assert np.isnan(one.low)
    assert not one.excludes(0)
    nothing = t_interval(np.array([np.nan]))
    assert np.isnan(nothing.mean)
    assert nothing.count == 0


def test_infinite_values_are_refused():
    with pytest.raises(ValueError, match="infinity"):
        t_interval(np.array([1.0, np.inf]))


def test_p_value_without_spread_or_without_seeds():
    assert t_test_p(np.array([0.3, 0.3])) == 0.0
    assert t_test_p(np.array([0.0, 0.0])) == 1.0
    assert np.isnan(t_test_p(np.array([0.3])))


def test_holm_ignores_missing_tests():
    """Two tests: 0.01·2 = 0.02; then max(0.02, 0.04·1) = 0.04."""
    adjusted = holm(np.array([0.04, np.nan, 0.01]))
    assert adjusted[[0, 2]] == pytest.approx([0.04, 0.02])
    assert np.isnan(adjusted[1])


def test_wilson_by_hand():
    """8 of 10, z = 2 (level 95.45 %): centre (.8 + 4/20)/(1 + .4) = .714286; half width
    √(4·(.016 + 4/400))/1.4 = √.104/1.4 = .230350."""
    interval = wilson_interval(8, 10, level=0.9544997361)
    assert interval[:3] == pytest.approx((0.8, 0.483936, 0.944636), abs=2e-6)
    assert np.isnan(wilson_interval(0, 0).low)
    with pytest.raises(ValueError, match="allowed are 0 to 3"):
        wilson_interval(4, 3)
