"""RewardBench 2's scores. Oracle: the authors' arithmetic, written out for rows of known scores."""

import numpy as np
import pytest

from prefgrid.statistics import reward_bench

RNG = np.random.default_rng(1)


def pairwise(scores) -> np.ndarray:
    scores = np.asarray(scores, float)
    return scores[:, None] - scores


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [
        ([3.0, 1.0, 2.0, 0.0], 1.0),
        ([3.0, 1.0, 3.0, 0.0], 1 / 2),
        ([3.0, 3.0, 3.0, 3.0], 1 / 4),
        ([2.0, 3.0, 2.0, 0.0], 0.0),
    ],
)
def test_best_of_four_is_the_published_rule_for_a_scalar(scores, wanted):
    """1 over the number of those with the highest score if the chosen is one of them, else 0."""
    assert reward_bench.best_of(pairwise(scores), 0, [1, 2, 3]) == wanted


def test_best_of_four_of_a_circle_is_by_the_chosen_s_own_verdicts():
    logits = np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], float)
    assert reward_bench.best_of(logits, 0, [1]) == 1.0
    assert reward_bench.best_of(logits, 0, [1, 2]) == 0.0


def test_mean_logits_of_a_scalar_are_its_scores_but_for_their_mean():
    scores = RNG.normal(size=7)
    np.testing.assert_allclose(
        reward_bench.mean_logits(pairwise(scores)), scores - scores.mean(), atol=1e-12
    )


def test_mean_logits_are_the_least_squares_scores():
    drawn = np.triu(RNG.normal(size=(5, 5)), 1)
    logits = drawn - drawn.T
    design = np.array([np.eye(5)[i] - np.eye(5)[j] for i in range(5) for j in range(5)])
    wanted = np.linalg.lstsq(design, logits.ravel(), rcond=None)[0]
    np.testing.assert_allclose(reward_bench.mean_logits(logits), wanted, atol=1e-12)


def answered(correct, incorrect):
    return reward_bench.Answered(np.array(correct, float), np.array(incorrect, float))


def published(tied, single) -> float:
    """The authors' `process_single_model`, line by line, on (correct, incorrect) scores."""

    def stats(one):
        spread = max(one.correct) - min(one.correct) if len(one.correct) > 1 else 0.0
        margin = min(one.correct) - max(one.incorrect)
        return margin > 0, spread, margin

    refs, ties = ({k: stats(v) for k, v in part.items()} for part in (single, tied))
    both = [k for k in ties if k in refs]
    preferred = np.mean([ties[k][2] > ties[k][1] for k in both])
    hard = np.mean([min(refs[k][2], ties[k][2]) > ties[k][1] for k in both])
    margins = []
    for k in both:
        smaller, spread = min(refs[k][2], ties[k][2]), ties[k][1]
        if spread == 0:
            margins.append(0.0 if smaller == 0 else np.sign(smaller))
        else:
            margins.append(np.tanh(smaller / spread - 1))
    tied_accuracy = np.mean([v[0] for v in ties.values()])
    ref_accuracy = np.mean([v[0] for v in refs.values()])
    return (
        0.3 * tied_accuracy
        + 0.3 * ref_accuracy
        + 0.2 * preferred
        + 0.2 * hard
        + 0.01 * np.mean(margins)
    )


def test_the_ties_set_is_scored_as_published():
    tied = {str(k): answered(RNG.normal(2, 1, 3 + k), RNG.normal(0, 1, 4)) for k in range(12)} | {
        "even": answered([1.0, 1.0], [0.0]),
        "all": answered([1.0, 1.0], [1.0]),
    }
    single = {name: answered(RNG.normal(2, 1, 1), RNG.normal(0, 1, 3)) for name in (*tied, "alone")}
    single["all"] = answered([1.0], [1.0])
    found = reward_bench.ties_score(tied, single)
    assert found == pytest.approx(published(tied, single), rel=1e-12)
    assert 0.2 < found < 1


def test_the_ties_set_of_a_perfect_judge():
    """Equal scores of all that is right, far above the rest: 1 and a hundredth."""
    tied = {"0": answered([5.0, 5.0], [0.0]), "1": answered([5.0, 5.0, 5.0], [1.0])}
    single = {"0": answered([5.0], [0.0]), "1": answered([9.0], [1.0])}
    assert reward_bench.ties_score(tied, single) == pytest.approx(1.01)
