"""Can labels tell a link from a rescaled logistic one?"""

import numpy as np
import pytest
from scipy import stats

from prefgrid.statistics.identifiability import (
    bayes_accuracy,
    best_logistic,
    likelihood_ratio_power,
    table,
)

# u ~ N(0, 1) by its quantiles: midpoints of 20,000 equally likely parts.
NORMAL = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_a_logistic_link_is_its_own_best_fit(temperature):
    fit = best_logistic(NORMAL, 0.0, temperature)
    assert fit.scale == pytest.approx(1 / temperature)
    assert fit.excess_kl_nats == pytest.approx(0, abs=1e-15)


def test_two_utilities_by_hand():
    """u = ±1 only: some a fits any Ψ(1) exactly, σ(a) = Ψ(1), so nothing is in excess."""
    fit = best_logistic(np.array([1.0, -1.0]), 2.0, 1.0)
    true = 0.5 / (1 + np.e) + 0.5 / (1 + np.exp(-3))
    assert fit.scale == pytest.approx(np.log(true / (1 - true)))
    assert fit.excess_kl_nats == pytest.approx(0, abs=1e-15)
    assert bayes_accuracy(np.array([1.0, -1.0]), 2.0, 1.0) == pytest.approx(true)


def test_pairs_without_a_difference_carry_no_evidence():
    """Half of all u are 0, where both links are ½: half the excess."""
    half = best_logistic(np.append(NORMAL, np.zeros(NORMAL.size)), 4.0, 0.25)
    assert half.excess_kl_nats == pytest.approx(best_logistic(NORMAL, 4.0, 0.25)[1] / 2)
    assert best_logistic(np.zeros(3), 4.0, 0.25).excess_kl_nats == 0.0


def test_the_power_starts_at_the_level_and_rises_to_one():
    """Evidence 0: 5 %. Noncentrality 7.849 (3.924 nats) gives the textbook 80 %."""
    assert likelihood_ratio_power(0.0) == pytest.approx(0.05)
    assert likelihood_ratio_power(3.9244) == pytest.approx(0.8, abs=1e-4)
    assert likelihood_ratio_power(100.0) == pytest.approx(1.0)


def test_table_averages_over_seeds_the_first_n_utilities():
    rng = np.random.default_rng(0)
    utilities = {seed: rng.normal(size=400) for seed in (0, 1)}
    rows = table(utilities, [4.0, 0.0], [400, 100], 0.25).set_index(["n", "shift"])
    assert list(rows.index) == [(100, 0.0), (100, 4.0), (400, 0.0), (400, 4.0)]
    own = [best_logistic(u[:100], 4.0, 0.25).excess_kl_nats for u in utilities.values()]
    row = rows.loc[(100, 4.0)]
    assert row["excess_kl_nats"] == pytest.approx(np.mean(own))
    assert row["evidence_nats"] == pytest.approx(100 * np.mean(own))
    powers = [likelihood_ratio_power(100 * excess) for excess in own]
    assert row["power"] == pytest.approx(np.mean(powers))
    assert row["seeds"] == 2
    assert rows.loc[(400, 0.0), "power"] == pytest.approx(0.05)
    with pytest.raises(ValueError, match="fewer than n = 500"):
        table(utilities, [0.0], [500], 0.25)
