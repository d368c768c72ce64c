"""The length-controlled win rate: against statsmodels, and its interval against a simulation."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special, stats

from prefgrid.statistics.length_control import length_controlled


def pairs(rng, theta=0.3, phi=1.2, prompts=60, samples=16, between=0.0, ties=0.0, longer=3):
    """Verdicts whose log-odds share a prompt's own level."""
    cluster = np.repeat(np.arange(prompts), samples)
    differences = np.round(rng.normal(longer, 20, prompts * samples))
    level = between * rng.normal(size=prompts)[cluster]
    logit = theta + level + phi * np.tanh(differences / differences.std())
    verdicts = (rng.random(logit.size) < special.expit(logit)).astype(float)
    verdicts[rng.random(logit.size) < ties] = 0.5
    return verdicts, differences, cluster


def glm(verdicts, differences, cluster):
    design = np.column_stack([np.ones_like(differences), np.tanh(differences / differences.std())])
    return sm.GLM(verdicts, design, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": cluster}, tol=1e-12
    )


@pytest.mark.parametrize("ties", [0.0, 0.2])
def test_it_is_statsmodels_with_the_length_term_at_0(ties):
    made = pairs(np.random.default_rng(3), between=0.8, ties=ties)
    found, model = length_controlled(*made), glm(*made)
    assert found.mean == pytest.approx(special.expit(model.params[0]), abs=1e-9)
    half = stats.t.ppf(0.975, 59) * model.bse[0]
    assert found.low == pytest.approx(special.expit(model.params[0] - half), abs=1e-6)
    assert found.high == pytest.approx(special.expit(model.params[0] + half), abs=1e-6)
    assert found.count == 60


def test_the_logit_model_of_statsmodels_agrees():
    verdicts, differences, cluster = pairs(np.random.default_rng(4))
    design = np.column_stack([np.ones_like(differences), np.tanh(differences / differences.std())])
    model = sm.Logit(verdicts, design).fit(disp=0, method="newton", tol=1e-12)
    found = length_controlled(verdicts, differences, cluster)
    assert found.mean == pytest.approx(special.expit(model.params[0]), abs=1e-6)


def test_length_alone_gives_no_win():
    """A wins only as it is longer; at equal length it is a coin."""
    rng = np.random.default_rng(5)
    verdicts, differences, cluster = pairs(rng, theta=0.0, phi=3.0, prompts=1000, longer=20)
    found = length_controlled(verdicts, differences, cluster)
    assert verdicts.mean() > 0.75
    assert found.low < 0.5 < found.high


def test_the_sides_can_be_exchanged():
    verdicts, differences, cluster = pairs(np.random.default_rng(6), ties=0.1)
    one = length_controlled(verdicts, differences, cluster)
    other = length_controlled(1 - verdicts, -differences, cluster)
    assert other.mean == pytest.approx(1 - one.mean)
    assert (other.low, other.high) == pytest.approx((1 - one.high, 1 - one.low))


def test_the_interval_covers_the_true_value_as_often_as_it_says():
    """Of clustered pairs; an interval that took pairs for independent would cover about .66."""
    rng = np.random.default_rng(7)
    truth = _win_rate(0.3, between=1.0)
    covered = []
    for _ in range(400):
        found = length_controlled(*pairs(rng, theta=0.3, phi=0.0, prompts=40, between=1.0))
        covered.append(found.low < truth < found.high)
    # A binomial's 99.9 % range around .95.
    low, high = stats.binom.ppf([0.0005, 0.9995], 400, 0.95) / 400
    assert low <= np.mean(covered) <= high


def _win_rate(theta, between):
    """Mean of σ over the prompts' levels."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float((weights * special.expit(theta + between * nodes)).sum() / weights.sum())


def test_what_cannot_be_told_apart_is_missing():
    cluster = np.arange(6)
    lengths = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
    # The longer one always wins, and the same with a tie at the threshold.
    for verdicts in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 0.5, 1, 1, 1]):
        assert np.isnan(length_controlled(np.array(verdicts, float), lengths, cluster).mean)
    mixed = np.array([0, 1, 0, 1, 0, 1.0])
    assert np.isnan(length_controlled(mixed, np.full(6, 5.0), cluster).mean)
    assert np.isnan(length_controlled(np.array([]), np.array([]), np.array([])).mean)


def test_without_differences_it_is_the_win_rate():
    verdicts = np.array([1, 1, 0, 1, 0.5, 0.5])
    found = length_controlled(verdicts, np.zeros(6), np.arange(6))
    assert found.mean == pytest.approx(4 / 6)
    assert found.low < 4 / 6 < found.high
    for verdict in (0.0, 1.0):
        found = length_controlled(np.full(6, verdict), np.arange(6.0), np.arange(6))
        assert found.mean == verdict and np.isnan(found.low)


def test_verdicts_and_lengths_that_are_none_are_refused():
    for verdicts, lengths in (([0.0, 2.0], [1.0, 2.0]), ([0.0, 1.0], [1.0, np.inf])):
        with pytest.raises(ValueError, match="must be in"):
            length_controlled(np.array(verdicts), np.array(lengths), np.arange(2))
