"""Measures of a judge's logits. Oracles: scikit-learn, scipy, statsmodels, and counting by hand."""

import itertools

import numpy as np
import pytest
from scipy import special, stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score

from prefgrid.statistics import (
    comparisons,
    intransitivity,
    order_effects,
    reliability,
)

RNG = np.random.default_rng(0)
LOGIT = RNG.normal(0, 2, 400)
LABEL = (RNG.random(400) < special.expit(0.4 * LOGIT)).astype(float)


def test_accuracy_is_scikit_learn_s():
    found = comparisons.correct(LOGIT, LABEL)
    assert found.mean() == accuracy_score(LABEL, LOGIT > 0)


def test_a_tie_counts_half_or_not_at_all_and_an_even_pair_never():
    logit = np.array([0.0, 0.0, 1.0, -1.0, 2.0])
    probability = np.array([1.0, 0.2, 0.7, 0.6, 0.5])
    found = comparisons.correct(logit, probability)
    np.testing.assert_array_equal(found, [0.5, 0.5, 1.0, 0.0, np.nan])
    strict = comparisons.correct(logit, probability, tie=0.0)
    np.testing.assert_array_equal(strict, [0.0, 0.0, 1.0, 0.0, np.nan])


def test_the_error_of_probabilities_needs_probabilities():
    logit = np.array([0.0, np.log(3.0), -np.log(3.0)])
    found = comparisons.probability_error(logit, np.array([0.6, 0.5, 0.35]))
    assert found == pytest.approx((0.1 + 0.25 + 0.1) / 3)
    halved = comparisons.probability_error(2 * logit, np.array([0.6, 0.5, 0.35]), 2.0)
    assert halved == pytest.approx(found)
    assert np.isnan(comparisons.probability_error(logit, np.array([1.0, 0.0, 1.0])))


def test_the_correlation_with_length_does_not_depend_on_the_order_of_pairs():
    difference = np.round(20 * RNG.normal(size=LOGIT.size) + 5 * LOGIT)
    turned = RNG.choice([-1.0, 1.0], LOGIT.size)
    for flips in (np.ones(LOGIT.size), turned):
        spearman, pearson = comparisons.correlations(flips * LOGIT, flips * difference)
        # Of pairs in both orders either mean is 0.
        wanted = (LOGIT @ difference) / np.sqrt((LOGIT @ LOGIT) * (difference @ difference))
        assert pearson == pytest.approx(wanted, rel=1e-9)
        ranks = stats.rankdata(np.concatenate([LOGIT, -LOGIT]))
        others = stats.rankdata(np.concatenate([difference, -difference]))
        assert spearman == pytest.approx(np.corrcoef(ranks, others)[0, 1], rel=1e-9)
    assert np.isnan(comparisons.correlations(LOGIT, np.zeros(LOGIT.size))).all()


def test_bins_are_scikit_learn_s_of_the_winner():
    """`calibration_curve` of both orders of every pair, above ½."""
    predicted, observed = reliability.verdicts(LOGIT, LABEL, 1.7)
    found = reliability.bins(predicted, observed)
    probability = special.expit(LOGIT / 1.7)
    happened, said = calibration_curve(
        np.concatenate([LABEL, 1 - LABEL]),
        np.concatenate([probability, 1 - probability]),
        n_bins=2 * reliability.BINS,
    )
    above = said > 0.5
    np.testing.assert_allclose(found["predicted"], said[above], rtol=1e-9)
    np.testing.assert_allclose(found["observed"], happened[above], rtol=1e-9)
    assert found["comparisons"].sum() == LOGIT.size
    assert (found["low"] <= found["predicted"]).all() and (
        found["predicted"] <= found["high"]
    ).all()
    gaps = (found["predicted"] - found["observed"]).abs() * found["comparisons"]
    error = reliability.expected_error(predicted, observed)
    assert error == pytest.approx(gaps.sum() / LOGIT.size)


def test_the_verdict_of_a_tie_is_even():
    predicted, observed = reliability.verdicts(np.array([0.0, -2.0]), np.array([1.0, 0.3]))
    np.testing.assert_allclose(predicted, [0.5, special.expit(2.0)])
    np.testing.assert_allclose(observed, [0.5, 0.7])


def test_the_order_of_showing():
    """Verdicts of pairs 0 and 1 turn: whoever is first, or second, wins."""
    there, back = np.array([2.0, -1.0, 3.0, 0.0]), np.array([1.0, -0.5, -3.0, 5.0])
    found = order_effects.order_effect(there, back)
    excess = special.expit(there) + special.expit(back) - 1
    assert found.mean == pytest.approx(excess.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(excess, (0.05, 0.95))))
    assert found.flipped_share == 0.5
    none = order_effects.order_effect(LOGIT, -LOGIT)
    assert none == (0.0, 0.0, 0.0, 0.0)


def circles(logits: np.ndarray) -> float:
    """By looking at every triple."""
    triples = list(itertools.combinations(range(len(logits)), 3))
    round_ = [
        (logits[a, b] > 0 and logits[b, c] > 0 and logits[c, a] > 0)
        or (logits[b, a] > 0 and logits[c, b] > 0 and logits[a, c] > 0)
        for a, b, c in triples
    ]
    return float(np.mean(round_))


@pytest.mark.parametrize("count", [3, 4, 5, 8])
def test_circular_triples_are_counted(count):
    for _ in range(20):
        drawn = np.triu(RNG.integers(-1, 2, (count, count)), 1)
        logits = drawn - drawn.T
        assert intransitivity.circular_share(logits) == pytest.approx(circles(logits))


def test_scalars_have_no_circles_and_chance_has_a_quarter():
    scores = RNG.normal(size=6)
    assert intransitivity.circular_share(scores[:, None] - scores) == 0
    drawn = np.triu(RNG.normal(size=(4000, 5, 5)), 1)
    shares = [intransitivity.circular_share(one - one.T) for one in drawn]
    assert np.mean(shares) == pytest.approx(intransitivity.CHANCE, abs=0.01)
    assert np.isnan(intransitivity.circular_share(np.zeros((2, 2))))


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_a_scalar_gets_all_but_one_edge_of_a_circle(count):
    first = np.arange(count)
    gain = intransitivity.gains(first, (first + 1) % count, np.ones(count))
    assert intransitivity.most_by_scores(gain) == count - 1
    assert intransitivity.most(gain) == count


def test_the_best_scores_are_those_of_the_best_ranking():
    """Against all rankings of five responses."""
    for _ in range(10):
        first, second = np.array(list(itertools.combinations(range(5), 2))).T
        probability = RNG.random(first.size)
        wanted = max(
            np.where(
                np.take(places, first) > np.take(places, second), probability, 1 - probability
            ).sum()
            for places in itertools.permutations(range(5))
        )
        gain = intransitivity.gains(first, second, probability)
        assert intransitivity.most_by_scores(gain) == pytest.approx(wanted)
        either = np.maximum(probability, 1 - probability).sum()
        assert intransitivity.most(gain) == pytest.approx(either)


def test_of_many_responses_only_those_without_a_circle_are_known():
    many = np.arange(intransitivity.MOST_RESPONSES + 1)
    chain = intransitivity.gains(many[:-1], many[1:], np.full(many.size - 1, 0.75))
    assert intransitivity.most_by_scores(chain) == 0.75 * (many.size - 1)
    circle = intransitivity.gains(many, np.roll(many, -1), np.ones(many.size))
    assert np.isnan(intransitivity.most_by_scores(circle))
