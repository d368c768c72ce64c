"""From logits to win probabilities and mean scores, against arithmetic by hand and plain loops."""

import numpy as np
import pytest
from judged_iterations import BT, antisymmetric, circle_and_two, differences, targets
from scipy.special import expit, logit

from prefgrid.targets.overlap import overlaps
from prefgrid.targets.worth import Compared, Worth, worths

RELEASED = {"estimator": "aggregated", "logit_scale": 2.0}


def worth(logits, own=None, others=(), tokens=None, **changes) -> Worth:
    logits = np.asarray(logits, dtype=float)
    tokens = tokens or [[number] for number in range(len(logits))]
    prompt = Compared(logits, tokens, len(logits) if own is None else own, others)
    [found], _ = worths([prompt], targets(**changes))
    return found


def test_bradley_terry_rewards_give_their_own_win_probabilities():
    """The first check vector: (1, .5, 0, −.5, −1) has row means (.710, .610, .5, .390, .290)."""
    by_hand = [np.mean([expit(one - other) for other in BT]) for one in BT]
    for changes in ({}, {"estimator": "aggregated"}):
        found = worth(differences(BT), **changes)
        assert found.win_probability == pytest.approx([0.710, 0.610, 0.5, 0.390, 0.290], abs=5e-4)
        assert found.win_probability == pytest.approx(by_hand, abs=1e-14)
        assert found.mean_score == pytest.approx(BT, abs=1e-14)


def test_the_released_code_answers_for_doubled_logits():
    """Its own steps: score_i = mean_k (l_ik − l_ki), P_ij = σ(score_i − score_j), row means, all over K."""
    expected = [0.809, 0.667, 0.5, 0.333, 0.191]
    assert worth(differences(BT), **RELEASED).win_probability == pytest.approx(expected, abs=5e-4)
    raw = np.random.default_rng(0).normal(size=(5, 5))
    np.fill_diagonal(raw, 0.0)
    score = np.array([np.mean([raw[i, k] - raw[k, i] for k in range(5)]) for i in range(5)])
    table = expit(score[:, None] - score[None, :])
    found = worth(raw, **RELEASED)
    assert found.probability == pytest.approx(table, abs=1e-14)
    assert found.win_probability == pytest.approx(table.mean(axis=1), abs=1e-14)
    assert found.mean_score == pytest.approx(score, abs=1e-14)


def test_a_circle_is_seen_in_the_matrix_and_gone_when_aggregated():
    """The second: everything is ½ on average, exactly, and aggregated also pair by pair."""
    found = worth(circle_and_two())
    assert list(found.win_probability) == [0.5] * 5 and list(found.mean_score) == [0.0] * 5
    assert found.probability[0, 1] == pytest.approx(expit(2.0))
    assert found.probability[0, 2] == pytest.approx(expit(-2.0))
    assert (worth(circle_and_two(), **RELEASED).probability == 0.5).all()


def test_the_best_by_probability_is_another_than_by_score_in_a_tenth_of_prompts():
    """The third: random logits, sd 2 in either order. 200 000 prompts gave .0977; here are 4000, within three
    standard errors of .0047. (Logits whose symmetrised part has sd 2 disagree in .1445.)"""
    logits = np.random.default_rng(1).normal(scale=2.0, size=(4000, 5, 5))
    logits[:, np.eye(5, dtype=bool)] = 0.0
    found, _ = worths([Compared(one, [[0]] * 5, 5) for one in logits], targets())
    share = np.mean([one.win_probability.argmax() != one.mean_score.argmax() for one in found])
    assert share == pytest.approx(0.0977, abs=0.014)


@pytest.mark.parametrize("changes", [{}, RELEASED, {"soften": 0.6}, {"symmetrise": False}])
def test_probabilities_of_the_two_orders_sum_to_1_and_the_diagonal_is_a_half(changes):
    rng = np.random.default_rng(2)
    raw = rng.normal(scale=3, size=(6, 6))
    np.fill_diagonal(raw, 0.0)
    tokens = [list(rng.integers(4, size=3)) for _ in range(6)]
    found = worth(raw, tokens=tokens, **changes)
    assert found.probability + found.probability.T == pytest.approx(np.ones((6, 6)), abs=1e-15)
    assert (np.diag(found.probability) == 0.5).all()


@pytest.mark.parametrize("self_too", [True, False])
@pytest.mark.parametrize("changes", [{}, RELEASED, {"soften": 0.6}, {"length_control": True}])
def test_another_order_of_responses_is_another_order_of_their_worth(changes, self_too):
    """To the last bit, so that ties stay ties."""
    rng = np.random.default_rng(3)
    tokens = [list(rng.integers(4, size=length)) for length in (3, 3, 5, 2)]
    logits, order = rng.normal(size=(4, 4)), [2, 0, 3, 1]
    np.fill_diagonal(logits, 0.0)
    changes = changes | {"include_self": self_too}
    one = worth(logits, tokens=tokens, **changes)
    turned = worth(logits[np.ix_(order, order)], tokens=[tokens[k] for k in order], **changes)
    exact = not changes.get("length_control")  # a fit sums over all pairs
    for name in ("win_probability", "mean_score"):
        wanted = getattr(one, name)[order]
        assert getattr(turned, name) == pytest.approx(wanted, abs=0 if exact else 1e-14)


def test_one_order_alone_where_logits_are_not_symmetrised():
    raw = np.array([[0.0, 1.0], [0.5, 0.0]])
    plain = worth(raw, symmetrise=False)
    assert plain.win_probability == pytest.approx([(0.5 + expit(1)) / 2, (0.5 + expit(0.5)) / 2])
    assert plain.mean_score == pytest.approx([0.5, 0.25])
    # Of the pair itself both orders count alike.
    assert plain.probability[0, 1] == pytest.approx((expit(1) + 1 - expit(0.5)) / 2)
    both = worth(raw)
    assert both.probability[0, 1] == pytest.approx(expit(0.25))
    assert both.mean_score == pytest.approx([0.125, -0.125])


def test_without_itself_a_response_meets_the_others():
    found = worth(differences(BT), include_self=False)
    others = [[expit(one - other) for other in BT if other != one] for one in BT]
    assert found.win_probability == pytest.approx(np.mean(others, axis=1), abs=1e-14)
    assert found.mean_score == pytest.approx(BT * 5 / 4, abs=1e-14)
    # Differences of aggregated scores are those of the rewards all the same.
    aggregated = worth(differences(BT), include_self=False, estimator="aggregated")
    assert aggregated.win_probability == pytest.approx(found.win_probability, abs=1e-14)


def test_against_the_base_its_responses_alone_count():
    """Two responses (rewards 1, 0) against the base's three (rewards 2, 0, −1)."""
    rewards, base = [1.0, 0.0], [2.0, 0.0, -1.0]
    found = worth(differences(rewards + base), own=2, others=(3,), opponent="base")
    expected = [np.mean([expit(one - other) for other in base]) for one in rewards]
    assert found.win_probability == pytest.approx(expected)
    assert found.mean_score == pytest.approx([one - 1 / 3 for one in rewards])
    # Bradley–Terry rewards have the same differences aggregated, against whomever.
    same = worth(
        differences(rewards + base), own=2, others=(3,), opponent="base", estimator="aggregated"
    )
    assert same.win_probability == pytest.approx(expected)
    assert same.mean_score == pytest.approx(found.mean_score)


@pytest.mark.parametrize("opponent", ["base", "mixture"])
def test_in_the_first_iteration_the_base_is_the_policy_itself(opponent):
    logits = antisymmetric(np.random.default_rng(4), 4)
    assert (worth(logits, opponent=opponent).win_probability == worth(logits).win_probability).all()


@pytest.mark.parametrize("self_too", [True, False])
def test_in_a_mixture_policies_count_alike_however_many_responses_they_have(self_too):
    """Two own responses, one of a second policy, three of a third."""
    logits = antisymmetric(np.random.default_rng(5), 6)
    found = worth(logits, own=2, others=(1, 3), opponent="mixture", include_self=self_too)
    p = expit(logits)
    for own in range(2):
        mine = [p[own, j] for j in range(2) if self_too or j != own]
        expected = np.mean([np.mean(mine), p[own, 2], np.mean(p[own, 3:6])])
        assert found.win_probability[own] == pytest.approx(expected)


def test_opponents_that_nobody_asked_for_are_refused():
    with pytest.raises(ValueError, match="targets.opponent: previous, .* 1 other .* allowed: none"):
        worth(np.zeros((4, 4)), own=2, others=(2,))
    with pytest.raises(ValueError, match="base, .* 2 other policies; allowed: one or none"):
        worth(np.zeros((4, 4)), own=2, others=(1, 1), opponent="base")


def test_probabilities_are_softened_by_the_overlap_of_the_responses():
    """½ + (1 − soften · overlap)(P − ½), also at a logit that float64 takes for certain."""
    tokens = [[1, 2, 3], [1, 2, 3], [2, 3, 4], [9]]
    logits = differences([80.0, 3.0, 1.0, 0.0])
    found = worth(logits, tokens=tokens, soften=0.8)
    share = overlaps(tokens)
    softened = 0.5 + (1 - 0.8 * share) * (expit(logits) - 0.5)
    assert found.probability == pytest.approx(softened, abs=1e-14)
    assert found.win_probability == pytest.approx(softened.mean(axis=1), abs=1e-14)
    # In score space it is the logit of that probability, and the score itself where nothing is shared.
    scores = np.where(share > 0, logit(np.clip(softened, 1e-300, 1 - 1e-16)), logits)
    assert found.mean_score == pytest.approx(scores.mean(axis=1), abs=1e-12)
    assert worth(logits, tokens=tokens, soften=1.0).probability[0, 1] == 0.5


@pytest.mark.parametrize("estimator", ["matrix", "aggregated"])
def test_mean_scores_are_means_of_scores_that_are_softened_and_not_aggregated(estimator):
    logits = antisymmetric(np.random.default_rng(6), 4)
    tokens = [[1, 2, 3], [1, 2, 3], [2, 3, 4], [9]]
    found = worth(logits, tokens=tokens, estimator=estimator, soften=0.7)
    drawn = 0.5 + (1 - 0.7 * overlaps(tokens)) * (expit(logits) - 0.5)
    assert found.scores == pytest.approx(logit(drawn), abs=1e-12)
    assert found.mean_score == pytest.approx(logit(drawn).mean(axis=1), abs=1e-12)
    assert (found.table == logits).all()


def test_overlap_counts_tokens_with_their_multiplicity():
    """[1, 1, 2] and [1, 2, 2, 3]: min counts 1 + 1, max counts 2 + 2 + 1."""
    found = overlaps([[1, 1, 2], [1, 2, 2, 3], [2, 1, 1], [], [], [7]])
    assert found[0, 1] == found[1, 0] == pytest.approx(2 / 5)
    assert found[0, 2] == 1.0 and found[3, 4] == 1.0 and found[0, 3] == found[0, 5] == 0.0
    assert (np.diag(found) == 1).all() and (found == found.T).all()
