"""Statistics against scipy, statsmodels and scikit-learn."""

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.calibration import calibration_curve
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from prefgrid.statistics.calibration import calibration_error
from prefgrid.statistics.frontier import prompt_rewards_at_kl, reward_at_kl
from prefgrid.statistics.intervals import holm, t_interval, t_test_p
from prefgrid.statistics.oracle import estimate


@pytest.mark.parametrize("count", [2, 3, 10, 200])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_t_interval_against_statsmodels_and_scipy(count, level):
    values = np.random.default_rng(count).normal(0.3, 2, count)
    ours = t_interval(values, level)
    theirs = DescrStatsW(values).tconfint_mean(alpha=1 - level)
    assert (ours.low, ours.high) == pytest.approx(theirs)
    scipy = stats.ttest_1samp(values, 0)
    assert (ours.low, ours.high) == pytest.approx(tuple(scipy.confidence_interval(level)))
    assert t_test_p(values) == pytest.approx(scipy.pvalue)


def test_t_interval_covers_as_often_as_it_says():
    """4 seeds, nominal 90 %: 4000 repetitions have a standard error of 0.5 %."""
    draws = np.random.default_rng(0).normal(size=(4000, 4))
    covered = np.mean([not t_interval(row, 0.9).excludes(0) for row in draws])
    assert covered == pytest.approx(0.9, abs=0.015)


def test_holm_against_statsmodels():
    p_values = np.random.default_rng(0).uniform(0, 0.2, 12)
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_interpolation_against_numpy():
    rng = np.random.default_rng(0)
    kl_nats, reward = np.sort(rng.gamma(2, 1, 9)), rng.normal(size=9)
    for kappa in np.linspace(kl_nats[0], kl_nats[-1], 23):
        expected = np.interp(np.sqrt(kappa), np.sqrt(kl_nats), reward)
        assert reward_at_kl(kl_nats[::-1], reward[::-1], kappa) == pytest.approx(expected)


def test_prompt_spread_against_the_bootstrap():
    """The delta method's standard error against a bootstrap over prompts, KL noise included."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=300)
    kl_nats = rng.gamma(6, [[0.05], [0.25]], (2, 300))
    reward = [[0.0], [1.2]] + 0.6 * common + rng.normal(0, 0.5, (2, 300))
    values = prompt_rewards_at_kl(kl_nats, reward, 0.8)
    draws = []
    for _ in range(2000):
        rows = rng.integers(0, 300, 300)
        draws.append(reward_at_kl(kl_nats[:, rows].mean(1), reward[:, rows].mean(1), 0.8))
    assert values.std(ddof=1) / np.sqrt(300) == pytest.approx(np.std(draws), rel=0.06)


def test_calibration_error_against_scikit_learn():
    rng = np.random.default_rng(0)
    predicted = rng.uniform(size=500)
    outcome = (rng.uniform(size=500) < predicted**2).astype(float)
    true, mean = calibration_curve(outcome, predicted, n_bins=10)
    counts = np.histogram(predicted, bins=10, range=(0, 1))[0]
    expected = (np.abs(true - mean) * counts).sum() / 500
    assert calibration_error(predicted, outcome) == pytest.approx(expected)


def test_oracle_is_the_optimum_over_weights():
    """No reweighting of the samples has a larger E[r] − β·KL than the oracle's."""
    rewards, beta = np.random.default_rng(0).normal(size=7), 0.7

    def loss(logits: np.ndarray) -> float:
        weights = np.exp(logits - logits.max())
        weights /= weights.sum()
        return -(weights @ rewards - beta * (weights @ np.log(7 * weights)))

    best = optimize.minimize(loss, np.zeros(7), tol=1e-12)
    row = estimate(rewards[None], [beta]).iloc[0]
    assert row["reward"] - beta * row["kl_nats"] == pytest.approx(-best.fun, abs=1e-8)
