"""Reward at a fixed KL: interpolation in √KL, never outside the scan."""

import numpy as np
import pytest

from prefgrid.statistics.frontier import prompt_rewards_at_kl, reward_at_kl


def test_interpolates_in_root_kl():
    """KL 0.25 … 1 has roots 0.5 … 1; κ = 0.5625 has root 0.75, half way: (2 + 4)/2 = 3."""
    assert reward_at_kl([1.0, 0.25], [4.0, 2.0], 0.5625) == pytest.approx(3.0)


def test_reward_linear_in_root_kl_is_exact():
    kl_nats = np.array([0.1, 0.4, 0.9, 2.0])
    assert reward_at_kl(kl_nats, 1 + 2 * np.sqrt(kl_nats), 0.7) == pytest.approx(1 + 2 * 0.7**0.5)


@pytest.mark.parametrize("kappa", [0.05, 2.01])
def test_outside_the_scanned_range_is_missing(kappa):
    assert np.isnan(reward_at_kl([0.1, 2.0], [0.0, 1.0], kappa))
    assert np.isnan(prompt_rewards_at_kl([[0.1] * 3, [2.0] * 3], np.ones((2, 3)), kappa)).all()


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
    with pytest.raises(ValueError, match="points, prompts"):
        prompt_rewards_at_kl([1.0], [1.0], 0.5)


def test_prompt_values_average_to_the_curve():
    rng = np.random.default_rng(0)
    kl_nats = rng.gamma(4, [[0.1], [0.3], [0.6]], (3, 40))
    reward = rng.normal([[0.0], [1.0], [1.5]], 1, (3, 40))
    values = prompt_rewards_at_kl(kl_nats, reward, 0.8)
    expected = reward_at_kl(kl_nats.mean(axis=1), reward.mean(axis=1), 0.8)
    assert values.mean() == pytest.approx(expected)


def test_prompt_values_are_the_derivative_of_the_curve():
    """Moving weight ε to prompt p moves the curve's reward at κ by ε·(value of p − mean value)."""
    rng = np.random.default_rng(1)
    kl_nats, reward = rng.gamma(4, [[0.1], [0.4]], (2, 12)), rng.normal(size=(2, 12))
    values = prompt_rewards_at_kl(kl_nats, reward, 0.9)
    weights = np.full(12, 1 / 12)
    for prompt in range(12):
        step = 1e-6
        moved = (1 - step) * weights
        moved[prompt] += step
        change = reward_at_kl(kl_nats @ moved, reward @ moved, 0.9) - values.mean()
        assert change / step == pytest.approx(values[prompt] - values.mean(), rel=1e-3, abs=1e-4)


def test_the_reference_point_carries_no_kl_noise():
    """κ = 0.25 between (0, ·) and (1, ·): values (r0 + r1)/2 and the KL term of the far end only.

    KLs of the far end are (0.8, 1.2), slope of the mean rewards (3 − 1)/1 = 2, weight 0.5:
    −2·0.5·(∓0.2)/2 = ±0.1 on top of (1 + 3)/2 = 2.
    """
    values = prompt_rewards_at_kl([[0.0, 0.0], [0.8, 1.2]], [[1.0, 1.0], [3.0, 3.0]], 0.25)
    assert values == pytest.approx([2.1, 1.9])
