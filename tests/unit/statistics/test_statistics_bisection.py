import numpy as np
import pytest

from prefgrid.statistics.bisection import reward_at_kl

KAPPA = 0.2


def test_gaussian_policies_against_the_closed_form():
    """π_ref = N(0, 1), a(y) = c·y: π_β = N(c/β, 1), KL = (c/β)²/2, and with reward y the reward is
    c/β. At KL = κ: β = c/√(2κ), reward = √(2κ), whatever the run's scale c."""
    scale = np.array([0.3, 1.0, 7.0])

    def curve(beta):
        return (scale / beta) ** 2 / 2, scale / beta

    reward, beta = reward_at_kl(curve, 3, KAPPA, 1e-3, 1e3)
    np.testing.assert_allclose(reward, np.sqrt(2 * KAPPA), rtol=1e-9)
    np.testing.assert_allclose(beta, scale / np.sqrt(2 * KAPPA), rtol=1e-9)


def test_a_run_that_does_not_reach_kappa_has_no_value():
    """KL = (c/β)²/2 on β in [1, 10] spans [c²/200, c²/2]: κ = 0.2 lies in it for c = 2 only;
    c = 0.5 stays below it (largest KL 0.125), c = 9 above it (smallest 0.405), c = 0 never moves."""
    scale = np.array([2.0, 0.5, 9.0, 0.0, np.nan])

    def curve(beta):
        return (scale / beta) ** 2 / 2, scale / beta

    reward, beta = reward_at_kl(curve, 5, KAPPA, 1.0, 10.0)
    assert np.isfinite(reward).tolist() == [True, False, False, False, False]
    assert np.isfinite(beta).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("bracket", [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_an_impossible_bracket_is_refused(bracket):
    with pytest.raises(ValueError, match="bracket"):
        reward_at_kl(lambda beta: (beta, beta), 1, KAPPA, *bracket)
