"""The pairwise interface, which any judge has, and the two judges that ask no model."""

import itertools

import numpy as np
import pytest

from prefgrid.judges import length, mock
from prefgrid.judges.pairwise import antisymmetric, matrices, matrix

PROMPT, RESPONSES = "p", ["one", "three", "", "one"]


def asked(module, **options):
    defaults = {name: default for name, (default, _) in module.OPTIONS.items()}
    return module.load(None, defaults | options, prompt_format="chat", device=None)


class Gives:
    antisymmetric = False

    def __init__(self, *found):
        self.found = found

    def logits(self, prompts, responses):
        return list(self.found)


class Scores:
    def __init__(self, *rewards):
        self.rewards = rewards

    def score(self, prompts, responses):
        assert len(prompts) == len(responses)
        return self.rewards


def test_a_pointwise_judge_gives_differences_of_its_rewards():
    judge = Scores(1.0, 3.5, 0.0, 7.0, 5.0)
    first, second = matrices(judge, ["p", "q"], [["a", "b", "c"], ["d", "e"]])
    assert first.tolist() == [[0, -2.5, 1], [2.5, 0, 3.5], [-1, -3.5, 0]]
    assert second.tolist() == [[0, 2], [-2, 0]]
    assert first.dtype == np.float32 and antisymmetric(judge)


def test_a_comparing_judges_logits_are_kept_as_they_are():
    given = [[0, 1.5], [2.5, 0]]
    judge = Gives(given)
    assert matrix(judge, "p", ["a", "b"]).tolist() == given
    assert not antisymmetric(judge)


def test_a_judge_that_can_do_both_compares():
    """Of a kind some of whose models have scores."""

    class Both(Gives):
        def score(self, prompts, responses):
            raise ValueError("this one has none")

    judge = Both([[0, 1.5], [2.5, 0]])
    assert matrix(judge, "p", ["a", "b"]).tolist() == [[0, 1.5], [2.5, 0]]
    assert not antisymmetric(judge)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "gave 0 matrices for 1 prompts"),
        ([np.zeros((2, 3))], r"logits of shape \[2, 3\] for 2 responses"),
        (
            [[[0, np.nan], [0, 0]]],
            "logit of 'a', shown first, against 'b' as answers to 'p' is nan",
        ),
        ([[[0, 0], [1e39, 0]]], "logit of 'b', shown first, against 'a' as answers to 'p' is inf"),
        ([[[0.5, 1], [1, 0]]], r"\[0.5, 0.0\] on the diagonal"),
    ],
)
def test_what_is_no_matrix_of_logits_is_refused(found, said):
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=said):
        matrices(Gives(*found), ["p"], [["a", "b"]])


def test_rewards_too_far_apart_name_their_pair():
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="logit of 'a'.* 'b' .*is inf"):
        matrix(Scores(3e38, -3e38), "p", ["a", "b"])


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ([[0, 2], [3, 0]], False),
        ([[0, 2], [-2.001, 0]], False),
        ([[0, 2], [-2.00001, 0]], True),
        ([[0, 1e4], [-10000.05, 0]], True),
        ([[0, 2], [-2, 0]], True),
    ],
)
def test_a_judge_that_says_it_is_antisymmetric_is(given, fits):
    judge = Gives(given)
    assert matrix(judge, "p", ["a", "b"]).tolist() == np.float32(given).tolist()
    judge.antisymmetric = True
    if fits:
        assert antisymmetric(judge) and matrix(judge, "p", ["a", "b"]).any()
        return
    with pytest.raises(
        ValueError,
        match="row 0: .* its logits of 'a' and 'b' are 2 and .*; allowed: one the negative",
    ):
        matrix(judge, "p", ["a", "b"])


def test_one_response_leaves_nothing_to_compare():
    class Unasked:
        antisymmetric = True

    with pytest.raises(ValueError, match=r"row 1: 1 response\(s\) to 'q' .* at least 2"):
        matrices(Unasked(), ["p", "q"], [["a", "b"], ["a"]])
    assert matrices(Scores(), [], []) == []


def test_longer_texts_are_better_by_so_much_a_character():
    judge = asked(length, scale=0.5)
    assert matrix(judge, PROMPT, RESPONSES)[0].tolist() == [0, -1, 1.5, 0]
    shorter = asked(length, scale=0.5, prefers="shorter")
    assert matrix(shorter, PROMPT, RESPONSES)[0].tolist() == [0, 1, -1.5, 0]


def test_the_mock_is_a_function_of_its_seed_and_the_texts():
    judge = asked(mock)
    found = matrix(judge, PROMPT, RESPONSES)
    order = [3, 1, 0, 2]
    again = matrices(judge, ["other", PROMPT], [["a", "b"], [RESPONSES[k] for k in order]])[1]
    assert np.array_equal(again, found[np.ix_(order, order)])
    for changed in (matrix(asked(mock, seed=1), PROMPT, RESPONSES), matrix(judge, "q", RESPONSES)):
        assert abs(changed[0, 1] - found[0, 1]) > 1e-3
    assert antisymmetric(judge) and np.array_equal(found, -found.T)
    assert found[0, 3] == 0  # the same text


def test_the_mocks_logits_are_normal_and_their_circles_as_common_as_chance_has_them():
    texts = [str(number) for number in range(24)]
    found = matrix(asked(mock, scale=2.0), PROMPT, texts)
    drawn = found[np.triu_indices(24, 1)]
    assert abs(drawn.std() - 2.0) < 0.35 and abs(drawn.mean()) < 0.4
    circles = [
        (found[i, j] > 0) == (found[j, k] > 0) == (found[k, i] > 0)
        for i, j, k in itertools.combinations(range(24), 3)
    ]
    assert abs(np.mean(circles) - 0.25) < 0.05


def test_a_mock_may_care_for_the_order():
    judge = asked(mock, antisymmetric=False)
    found = matrix(judge, PROMPT, RESPONSES)
    assert not antisymmetric(judge) and np.abs(found + found.T)[0, 1] > 1e-3
