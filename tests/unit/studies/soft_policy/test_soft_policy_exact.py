"""Exact metrics: the published table, plain sums over texts that are all known, and their bounds."""

import numpy as np
import pytest
from scipy import stats

from prefgrid.studies.soft_policy import exact
from prefgrid.studies.soft_policy.task import NumberTask

UNIFORM = np.full(100, -np.log(100.0))
SMALL = NumberTask(2, lo=1, hi=4, r_invalid=-0.8)
# Four answers and three texts that are none.
REFERENCE = np.array([0.3, 0.1, 0.25, 0.15, 0.1, 0.06, 0.04])
POLICY = np.array([0.2, 0.35, 0.15, 0.1, 0.17, 0.002, 0.028])
REWARDS = np.array([-0.5, 0.0, -0.5, -1.0, -0.8, -0.8, -0.8])
BETA = 0.2
STAR = REFERENCE * np.exp(REWARDS / BETA)
STAR = STAR / STAR.sum()


def of_texts(policy, reference=REFERENCE) -> dict[str, float]:
    return exact.metrics(SMALL, np.log(reference[:4]), np.log(policy[:4]), BETA)


def test_the_optimum_is_that_of_all_texts():
    found = np.exp(exact.optimum(SMALL, np.log(REFERENCE[:4]), BETA))
    np.testing.assert_allclose(found, [*STAR[:4], STAR[4:].sum()], rtol=1e-12)


@pytest.mark.parametrize(
    ("beta", "p_target", "reward", "mean_number", "kl_nats"),
    [(0.05, 0.1829, -0.0451, 5.467, 2.004), (0.01, 0.6358, -0.0058, 1.573, 3.574)],
)
def test_the_optimum_s_own_metrics(beta, p_target, reward, mean_number, kl_nats):
    """The published table, of a uniform reference; no distance to itself."""
    task = NumberTask(1)
    star = exact.optimum(task, UNIFORM, beta)[:-1]
    found = exact.metrics(task, UNIFORM, star, beta)
    assert found["p_target"] == pytest.approx(p_target, abs=5e-5)
    assert found["reward"] == pytest.approx(reward, abs=5e-5)
    assert found["mean_number"] == pytest.approx(mean_number, abs=5e-4)
    assert found["kl_to_reference_nats"] == pytest.approx(kl_nats, abs=5e-4)
    assert found["valid_mass"] == pytest.approx(1, abs=1e-12)
    assert found["tv"] == pytest.approx(0, abs=1e-12)
    assert found["kl_from_optimum_nats"] == pytest.approx(0, abs=1e-12)


def test_metrics_that_are_sums_over_all_texts():
    found = of_texts(POLICY)
    assert found["valid_mass"] == pytest.approx(0.8)
    assert found["p_target"] == pytest.approx(0.35)
    assert found["reward"] == pytest.approx(POLICY @ REWARDS)
    assert found["mean_number"] == pytest.approx((0.2 + 0.7 + 0.45 + 0.4) / 0.8)


def test_numbers_that_do_not_begin_at_one():
    task = NumberTask(7, lo=5, hi=8)
    found = exact.metrics(task, np.log(REFERENCE[:4]), np.log(POLICY[:4]), BETA)
    assert found["p_target"] == pytest.approx(0.15)
    assert found["mean_number"] == pytest.approx((1 + 2.1 + 1.05 + 0.8) / 0.8)
    assert found["reward"] == pytest.approx(-0.2 - 0.35 * 0.5 - 0.1 * 0.5 - 0.2)


def test_distances_of_other_texts_as_one_are_lower_bounds():
    found = of_texts(POLICY)
    whole = {
        "tv": 0.5 * np.abs(POLICY - STAR).sum(),
        "kl_to_reference_nats": stats.entropy(POLICY, REFERENCE),
        "kl_from_optimum_nats": stats.entropy(STAR, POLICY),
    }
    for name, value in whole.items():
        assert 0 < found[name] < value - 1e-3
    # What is missed: the share of other texts times the divergence among them.
    among = 0.2 * stats.entropy(POLICY[4:], REFERENCE[4:])
    missed = whole["kl_to_reference_nats"] - found["kl_to_reference_nats"]
    assert missed == pytest.approx(among) and among > 1e-3


def test_distances_are_exact_if_other_texts_keep_their_proportions():
    policy = np.append(POLICY[:4], 0.2 * REFERENCE[4:] / REFERENCE[4:].sum())
    found = of_texts(policy)
    assert found["tv"] == pytest.approx(0.5 * np.abs(policy - STAR).sum())
    assert found["kl_to_reference_nats"] == pytest.approx(stats.entropy(policy, REFERENCE))
    assert found["kl_from_optimum_nats"] == pytest.approx(stats.entropy(STAR, policy))


def test_a_policy_that_writes_no_answer():
    found = exact.metrics(SMALL, np.log(REFERENCE[:4]), np.full(4, -np.inf), BETA)
    assert found["valid_mass"] == 0 and np.isnan(found["mean_number"])
    assert found["reward"] == -0.8
    assert found["tv"] == pytest.approx(1 - STAR[4:].sum())
    assert found["kl_to_reference_nats"] == pytest.approx(-np.log(0.2))
    assert found["kl_from_optimum_nats"] == np.inf


def test_rounding_leaves_divergences_finite():
    """float32 probabilities of answers alone that sum to a little more than 1."""
    policy = np.array([0.2, 0.5, 0.2, 0.1]) * (1 + 3e-7)
    found = exact.metrics(SMALL, np.log(REFERENCE[:4]), np.log(policy), BETA)
    rest = STAR[4:].sum()
    answers = (STAR[:4] * np.log(STAR[:4] / policy)).sum()
    assert found["kl_from_optimum_nats"] == pytest.approx(answers + rest * np.log(rest / 1e-7))
    with pytest.raises(ValueError, match="sum to 1.01; allowed: up to 1"):
        exact.metrics(SMALL, np.log(REFERENCE[:4]), np.log(policy / policy.sum() * 1.01), BETA)
