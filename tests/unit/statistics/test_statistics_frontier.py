"""Reward at a fixed KL: interpolation in √KL, never outside the scan."""

import numpy as np
import pytest

from prefgrid.statistics.frontier import reward_at_kl, rewards_at_kl


def test_interpolates_in_root_kl():
    """KL 0.25 … 1 has roots 0.5 … 1; κ = 0.5625 has root 0.75, half way: (2 + 4)/2 = 3."""
    assert reward_at_kl([1.0, 0.25], [4.0, 2.0], 0.5625) == pytest.approx(3.0)


def test_reward_linear_in_root_kl_is_exact():
    kl_nats = np.array([0.1, 0.4, 0.9, 2.0])
    assert reward_at_kl(kl_nats, 1 + 2 * np.sqrt(kl_nats), 0.7) == pytest.approx(1 + 2 * 0.7**0.5)


@pytest.mark.parametrize("kappa", [0.05, 2.01])
def test_outside_the_scanned_range_is_missing(kappa):
    assert np.isnan(reward_at_kl([0.1, 2.0], [0.0, 1.0], kappa))


@pytest.mark.parametrize(("kappa", "reward"), [(0.1, 5.0), (2.0, 7.0)])
def test_the_ends_belong_to_the_range(kappa, reward):
    assert reward_at_kl([2.0, 0.1], [7.0, 5.0], kappa) == pytest.approx(reward)


def test_the_reference_can_serve_as_end_point():
    """From (0, 1) to (1, 3): root of 0.25 is 0.5, half way to 3."""
    assert reward_at_kl([1.0, 0.0], [3.0, 1.0], 0.25) == pytest.approx(2.0)


def test_degenerate_scans():
    assert reward_at_kl([0.5], [2.0], 0.5) == 2.0
    assert np.isnan(reward_at_kl([0.5], [2.0], 0.4))
    assert np.isnan(reward_at_kl([], [], 0.4))
    assert reward_at_kl([0.5, 0.5], [2.0, 2.0], 0.5) == 2.0


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="must be >= 0"):
        reward_at_kl([0.0, 1.0], [0.0, 1.0], -0.1)
    with pytest.raises(ValueError, match="not finite"):
        reward_at_kl([np.nan, 1.0], [0.0, 1.0], 0.5)
    with pytest.raises(ValueError, match="same points"):
        reward_at_kl([1.0], [1.0, 2.0], 0.5)


def test_many_curves_at_once_are_those_curves():
    rng = np.random.default_rng(0)
    kl_nats, reward = rng.gamma(2, 0.5, (50, 3)), rng.normal(size=(50, 3))
    found = rewards_at_kl(kl_nats, reward, 0.8)
    expected = [reward_at_kl(k, r, 0.8) for k, r in zip(kl_nats, reward, strict=True)]
    np.testing.assert_array_equal(found, expected)
    outside = (kl_nats.min(axis=1) > 0.8) | (kl_nats.max(axis=1) < 0.8)
    assert 0 < outside.sum() < 50
    np.testing.assert_array_equal(np.isnan(found), outside)
