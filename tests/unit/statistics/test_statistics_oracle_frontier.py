"""The oracle frontier from reference samples."""

import numpy as np
import pandas as pd
import pytest

from prefgrid.statistics.oracle import SMALLEST_SAMPLE_SIZE, drawable, estimate


def test_two_samples_by_hand():
    """r = (0, 1), β = 1: w = (1, e)/(1 + e); E*[r] = e/(1+e) = .73106;
    KL = .73106 − log((1 + e)/2) = .73106 − .62011 = .11094; ESS = (1+e)²/(1+e²) = 1.64805."""
    row = estimate(np.array([[0.0, 1.0]]), [1.0]).iloc[0]
    assert row["reward"] == pytest.approx(0.731059, abs=1e-6)
    assert row["kl_nats"] == pytest.approx(0.110944, abs=1e-5)
    assert row["sample_size"] == pytest.approx(1.64805, abs=1e-4)


def test_normal_rewards_follow_the_known_frontier():
    """For r ~ N(0, 1): E*[r] = 1/β and KL = 1/(2β²)."""
    rewards = np.random.default_rng(0).normal(size=(50, 4000))
    table = estimate(rewards, [2.0, 1.0])
    assert table["reward"].to_numpy() == pytest.approx([0.5, 1.0], abs=0.02)
    assert table["kl_nats"].to_numpy() == pytest.approx([0.125, 0.5], abs=0.02)


def test_large_beta_is_the_reference():
    rewards = np.random.default_rng(0).normal(size=(5, 64))
    row = estimate(rewards, [1e6]).iloc[0]
    assert row["reward"] == pytest.approx(rewards.mean(), abs=1e-4)
    assert row["kl_nats"] == pytest.approx(0, abs=1e-9)
    assert row["sample_size"] == pytest.approx(64, abs=1e-3)


def _samples(rewards: np.ndarray) -> pd.DataFrame:
    prompts, samples = rewards.shape
    return pd.DataFrame(
        {
            "prompt_id": np.repeat([f"{p:016x}" for p in range(prompts)], samples),
            "sample": np.tile(np.arange(samples), prompts),
            "reward": rewards.ravel(),
        }
    )


def test_only_the_trusted_part_is_drawn():
    frontier = drawable(_samples(np.random.default_rng(0).normal(size=(20, 64))))
    assert len(frontier) > 10
    assert (frontier["sample_size"] >= SMALLEST_SAMPLE_SIZE).all()
    assert frontier["kl_nats"].is_monotonic_increasing
    assert frontier["reward"].is_monotonic_increasing


def test_too_few_samples_draw_nothing():
    assert drawable(_samples(np.random.default_rng(0).normal(size=(20, 8)))).empty
    assert drawable(_samples(np.ones((3, 64)))).empty


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="same number of samples"):
        drawable(_samples(np.ones((3, 4))).iloc[:-1])
    with pytest.raises(ValueError, match="must be > 0"):
        estimate(np.ones((2, 4)), [0.0])
    with pytest.raises(ValueError, match="samples >= 2"):
        estimate(np.ones(4), [1.0])
