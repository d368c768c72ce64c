"""The temperature of a judge's logits. Oracle: logistic regression without an intercept, by statsmodels."""

import numpy as np
import pytest
import sklearn.metrics
import statsmodels.api as sm
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from prefgrid.statistics.judge_calibration import COLDEST, HOTTEST, log_loss, temperature


def drawn(true_temperature: float, count: int = 400, seed: int = 0):
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 3, count)
    return logits, (draw.random(count) < expit(logits / true_temperature)).astype(float)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 4.0, 30.0])
def test_it_is_the_inverse_slope_of_a_logistic_regression(true_temperature):
    logits, wins = drawn(true_temperature)
    fitted = sm.GLM(wins, logits[:, None], family=sm.families.Binomial()).fit(tol=1e-12)
    found = temperature(logits, wins)
    assert 1 / found == pytest.approx(fitted.params[0], rel=1e-6)
    assert log_loss(logits / found, wins) == pytest.approx(-fitted.llf / len(wins), rel=1e-9)
    other = LogisticRegression(C=1e12, fit_intercept=False, tol=1e-10).fit(logits[:, None], wins)
    assert 1 / found == pytest.approx(other.coef_[0, 0], rel=1e-3)


def test_probabilities_between_0_and_1_are_soft_labels():
    logits, _ = drawn(1.0)
    soft = expit(logits / 2.5)
    assert temperature(logits, soft) == pytest.approx(2.5, rel=1e-9)
    noisy = np.clip(soft + np.random.default_rng(1).normal(0, 0.1, len(soft)), 0, 1)
    fitted = sm.GLM(noisy, logits[:, None], family=sm.families.Binomial()).fit(tol=1e-12)
    assert 1 / temperature(logits, noisy) == pytest.approx(fitted.params[0], rel=1e-6)


def test_no_other_temperature_has_a_smaller_loss():
    logits, wins = drawn(3.0, seed=2)
    least = log_loss(logits / temperature(logits, wins), wins)
    others = [log_loss(logits / one, wins) for one in np.geomspace(COLDEST, HOTTEST, 400)]
    assert least <= min(others) + 1e-15 and min(others) < least + 1e-4


def test_turned_pairs_are_the_same_comparisons():
    logits, wins = drawn(2.0)
    turned = np.where(np.arange(len(wins)) % 2, -1, 1)
    again = temperature(logits * turned, np.where(turned > 0, wins, 1 - wins))
    assert again == pytest.approx(temperature(logits, wins), rel=1e-9)


def test_log_loss_is_written_out_right():
    """Of p = 1 at l = 0: ln 2; of logits beyond what exp can hold, themselves."""
    assert log_loss(np.zeros(3), np.array([0, 0.5, 1])) == pytest.approx(np.log(2))
    assert log_loss(np.array([1000.0, -1000.0]), np.array([0.0, 0.0])) == pytest.approx(500)


def test_log_loss_of_probabilities_is_the_expected_one():
    """A comparison of probability p is p of a win and 1 − p of a loss. Oracle: scikit-learn."""
    logits, _ = drawn(2.0)
    probability = np.random.default_rng(3).random(len(logits))
    wanted = sklearn.metrics.log_loss(
        np.repeat([1.0, 0.0], len(logits)),
        expit(np.concatenate([logits, logits])),
        sample_weight=np.concatenate([probability, 1 - probability]),
    )
    # The oracle takes the logarithm of a rounded 1 − P.
    assert log_loss(logits, probability) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(
    ("logits", "wins", "found"),
    [
        ([1.0, -2.0], [1, 0], COLDEST),  # never wrong
        ([1.0, -2.0], [0, 1], HOTTEST),  # always wrong
        ([0.0, 0.0], [1, 0], 1.0),  # says nothing
        ([1.0, -1.0], [0.5, 0.5], HOTTEST),  # of coin tosses
    ],
)
def test_the_ends_of_the_range(logits, wins, found):
    assert temperature(np.array(logits), np.array(wins, float)) == found


@pytest.mark.parametrize("logits", [[], [np.nan], [np.inf]])
def test_what_has_no_temperature_is_refused(logits):
    with pytest.raises(ValueError, match=f"of {len(logits)} comparisons; allowed: at least one"):
        temperature(np.array(logits), np.ones(len(logits)))
