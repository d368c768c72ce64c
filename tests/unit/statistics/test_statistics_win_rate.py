"""Win rates, best of n, choosing: against enumeration."""

import numpy as np
import pytest
from scipy import special

from prefgrid.statistics import best_of, cross_fitting, win_rate


def test_all_pairs_count_and_ties_half():
    logits = np.array([[[2.0, -1.0], [0.0, 0.5]], [[-3.0, -3.0], [-3.0, 0.0]]])
    assert win_rate.by_prompt(logits) == pytest.approx([2.5 / 4, 0.5 / 4])
    assert win_rate.mean_probability(logits) == pytest.approx(special.expit(logits).mean())
    # Turned around, the other policy has the rest.
    turned = -logits.transpose(0, 2, 1)
    assert win_rate.by_prompt(turned) == pytest.approx(1 - win_rate.by_prompt(logits))
    assert win_rate.mean_probability(turned) == pytest.approx(1 - win_rate.mean_probability(logits))


def test_the_scale_of_logits_moves_the_probability_alone():
    logits = np.random.default_rng(0).normal(size=(6, 4, 4))
    assert (win_rate.by_prompt(3 * logits) == win_rate.by_prompt(logits)).all()
    assert win_rate.mean_probability(3 * logits) != win_rate.mean_probability(logits)


def test_a_logit_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        win_rate.won(np.array([0.0, np.nan]))
    assert (win_rate.won(np.array([np.inf, -np.inf])) == [1, 0]).all()


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_best_of_n_is_the_highest_of_its_block(of):
    halves = np.random.default_rng(1).normal(size=(5, 7, 7))
    logits = halves - halves.transpose(0, 2, 1)
    found = best_of.chosen(logits, of)
    assert found.shape == (5, 7 // of)
    for prompt in range(5):
        for block in range(7 // of):
            numbers = range(block * of, (block + 1) * of)
            scores = {
                i: sum(special.expit(logits[prompt, i, j]) for j in numbers if j != i)
                for i in numbers
            }
            assert found[prompt, block] == max(scores, key=scores.get)


def test_of_scores_the_best_is_the_one_with_the_highest_and_the_first_of_equals():
    scores = np.array([[0.0, 3.0, 3.0, 1.0]])
    logits = scores[:, :, None] - scores[:, None, :]
    assert best_of.chosen(logits, 4).tolist() == [[1]]
    assert best_of.chosen(logits, 2).tolist() == [[1, 2]]
    assert best_of.chosen(logits, 1).tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("of", [0, 5])
def test_more_than_there_are_is_refused(of):
    with pytest.raises(ValueError, match=f"best of {of} among 4 candidates; allowed: 1 to 4"):
        best_of.chosen(np.zeros((2, 4, 4)), of)


def test_the_other_half_chooses():
    """Iteration 1 is best on the first half, iteration 0 on the second."""
    values = np.array([[0.2, 0.4, 0.9, 0.7], [0.6, 0.8, 0.1, 0.3], [0.0, 0.0, 0.0, 0.0]])
    first = np.array([True, True, False, False])
    # A prompt of the first half is judged by what the second chose, 0, and the other way round.
    assert cross_fitting.cross_fitted(values, first).tolist() == [0.2, 0.4, 0.1, 0.3]
    assert cross_fitting.best(values) == 0
    assert np.isnan(cross_fitting.cross_fitted(values, np.ones(4, bool))).all()


def test_choosing_on_the_same_prompts_flatters_and_cross_fitting_does_not():
    """Twenty policies of the same win rate ½ on 40 prompts."""
    rng = np.random.default_rng(2)
    ids = [f"{number:016x}" for number in range(40)]
    first = cross_fitting.halves(ids)
    assert 10 < first.sum() < 30 and (cross_fitting.halves(ids[::-1])[::-1] == first).all()
    plain, fair = [], []
    for _ in range(300):
        values = rng.random((20, 40))
        plain.append(values[cross_fitting.best(values)].mean())
        fair.append(cross_fitting.cross_fitted(values, first).mean())
    assert np.mean(plain) > 0.57
    # Four standard errors.
    assert abs(np.mean(fair) - 0.5) < 4 * np.std(fair) / np.sqrt(300)
