"""What length explains of the scores: simulated, where the truth is known, and against statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from judged_iterations import antisymmetric, differences, targets

from prefgrid.targets import length_control
from prefgrid.targets.worth import Compared, worths

PHI = 1.5


def simulated(prompts: int, noise: float):
    """(true scores, observed scores, lengths) of K = 4, in which a longer response has a higher score."""
    rng = np.random.default_rng(0)
    lengths = [list(rng.integers(5, 200, size=4)) for _ in range(prompts)]
    apart = np.concatenate([differences(one)[~np.eye(4, dtype=bool)] for one in lengths])
    sd = np.sqrt(np.mean(apart**2))
    truth = [antisymmetric(rng, 4, noise) for _ in range(prompts)]
    observed = [
        one + PHI * np.tanh(differences(of) / sd) for one, of in zip(truth, lengths, strict=True)
    ]
    return truth, observed, lengths


def test_the_slope_is_that_of_statsmodels_without_an_intercept():
    _, observed, lengths = simulated(50, 1.0)
    found = length_control.fit(observed, lengths)
    pairs = [(p, i, j) for p in range(50) for i in range(4) for j in range(4) if i != j]
    apart = np.array([lengths[p][i] - lengths[p][j] for p, i, j in pairs], dtype=float)
    score = np.array([observed[p][i, j] for p, i, j in pairs])
    # Differences come with both signs, so their mean is 0.
    assert found.sd_tokens == pytest.approx(apart.std())
    fitted = sm.OLS(score, np.tanh(apart / apart.std())).fit()
    assert found.slope == pytest.approx(fitted.params[0], rel=1e-12)


def test_what_was_put_in_is_found_and_taken_out():
    truth, observed, lengths = simulated(3000, 0.5)
    found = length_control.fit(observed, lengths)
    # Standard error: .5 over the root of Σ tanh² of 18 000 pairs, about .005.
    assert found.slope == pytest.approx(PHI, abs=0.025)
    left = [one - found.explained(of) for one, of in zip(observed, lengths, strict=True)]
    assert length_control.fit(left, lengths).slope == pytest.approx(0.0, abs=1e-12)
    for one, true in zip(left, truth, strict=True):
        assert one == pytest.approx(true, abs=0.025)
        assert one == pytest.approx(-one.T, abs=1e-15)


def test_scores_that_length_alone_explains_are_gone():
    _, observed, lengths = simulated(20, 0.0)
    prompts = [
        Compared(one, [[0] * length for length in of], 4)
        for one, of in zip(observed, lengths, strict=True)
    ]
    found, slope = worths(prompts, targets(length_control=True))
    assert slope == pytest.approx(PHI)
    for one in found:
        assert one.mean_score == pytest.approx(np.zeros(4), abs=1e-13)
        assert one.probability == pytest.approx(np.full((4, 4), 0.5), abs=1e-13)
    assert worths(prompts, targets())[1] is None


def test_equal_lengths_explain_nothing():
    logits = antisymmetric(np.random.default_rng(1), 3)
    [found], slope = worths([Compared(logits, [[1], [2], [3]], 3)], targets(length_control=True))
    assert slope == 0.0 and (found.table == logits).all()
