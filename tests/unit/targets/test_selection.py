"""Which responses and pairs train, against cases by hand and plain loops."""

from collections import Counter

import numpy as np
import pytest
from judged_iterations import (
    antisymmetric,
    circle_and_two,
    differences,
    group,
    response,
    selection,
    targets,
)

from prefgrid.targets import rows
from prefgrid.targets import selection as choosing
from prefgrid.targets.worth import Compared, worths

ABCDE = "abcde"


def worth_of(*tables, **changes):
    prompts = [Compared(one, [[0]] * len(one), len(one)) for one in tables]
    return worths(prompts, targets(**changes))[0]


def pairs(table, texts=ABCDE, keys=(0, "a"), dropped=None, **changes):
    responses = [response(text) for text in texts]
    left = range(len(texts))
    dropped = Counter() if dropped is None else dropped
    [worth] = worth_of(np.asarray(table))
    return choosing.pairs(worth, responses, left, selection(**changes), keys, dropped)


def test_truncated_responses_go_first_then_texts_that_were_there_before():
    """The first "b" has no end; so the second is the first of its text that may train."""
    found = Counter()
    texts = [("a", "stop"), ("b", "length"), ("a", "stop"), ("b", "stop"), ("b", "stop")]
    responses = [response(text, finish) for text, finish in texts]
    assert choosing.kept(responses, selection(), found) == [0, 3]
    assert found == {"truncated": 1, "duplicate": 2}
    all_of_them = selection(drop_truncated=False, drop_duplicates=False)
    assert choosing.kept(responses, all_of_them, found) == [0, 1, 2, 3, 4]
    assert choosing.kept(responses, selection(drop_truncated=False), found) == [0, 1]
    assert found == {"truncated": 1, "duplicate": 5}


@pytest.mark.parametrize("drop", [True, False])
def test_a_prompt_with_one_text_trains_nothing(drop):
    found = Counter()
    alike = [response("a")] * 3
    assert choosing.kept(alike, selection(drop_duplicates=drop), found) == []
    assert found == {"alone": 1} | ({"duplicate": 2} if drop else {})


def test_best_and_worst_by_either_value_are_the_extremes():
    """Logits of which the mean score prefers 0 and the mean probability 1: one large win against two small."""
    table = differences([0.0, 0.0, 0.0, 0.0])
    table[0, 3], table[3, 0] = 9.0, -9.0
    for better, worse in ((1, 0), (1, 2), (1, 3)):
        table[better, worse], table[worse, better] = 1.0, -1.0
    assert pairs(table, "abcd", mode="best_worst", by="mean_logit") == [(0, 3)]
    assert pairs(table, "abcd", mode="best_worst", by="mean_probability") == [(1, 3)]
    # Among responses that are left alone.
    [worth] = worth_of(table)
    left, options = [1, 2, 3], selection(mode="best_worst", by="mean_logit")
    responses = [response(text) for text in "abcd"]
    assert choosing.pairs(worth, responses, left, options, (0, ""), Counter()) == [(1, 3)]


def test_equals_are_no_pair_and_among_several_best_the_first_is_taken():
    found = Counter()
    assert pairs(circle_and_two(), dropped=found, mode="best_worst") == []
    assert found == {"undecided": 1}
    assert pairs(differences([0, 2, 2, -1, -1]), mode="best_worst") == [(1, 3)]


def test_equal_texts_are_no_pair_whatever_the_judge_says():
    """A judge's batches may tell two copies apart by a last bit."""
    found = Counter()
    table = differences([1.0, 1.0, -1.0])
    assert pairs(table, "aba", dropped=found, mode="best_worst") == []
    assert found == {"undecided": 1}


def test_best_against_random_draws_each_of_the_others_alike_by_seed_and_prompt():
    table = differences([0.0, 3.0, 1.0, 2.0])
    found = [pairs(table, "abcd", keys=(0, f"{n}"), mode="best_random")[0] for n in range(900)]
    assert {better for better, _ in found} == {1}
    counts = Counter(worse for _, worse in found)
    # 300 each; a standard deviation is √(900 · 1/3 · 2/3) = 14.
    assert set(counts) == {0, 2, 3} and all(abs(count - 300) < 60 for count in counts.values())
    again = [pairs(table, "abcd", keys=(0, f"{n}"), mode="best_random")[0] for n in range(900)]
    other = [pairs(table, "abcd", keys=(1, f"{n}"), mode="best_random")[0] for n in range(900)]
    assert found == again != other


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.3])
def test_above_takes_every_pair_further_than_epsilon_from_a_half(epsilon):
    rng = np.random.default_rng(0)
    for _ in range(20):
        table, found = antisymmetric(rng, 5), Counter()
        probability = 1 / (1 + np.exp(-table))
        expected = {
            (i, j)
            for i in range(5)
            for j in range(5)
            if i != j and probability[i, j] > 0.5 + epsilon
        }
        taken = pairs(table, dropped=found, mode="above", epsilon=epsilon)
        assert set(taken) == expected and len(taken) + found["undecided"] == 10


def test_a_pair_within_epsilon_of_a_half_is_dropped_and_on_the_other_side_kept():
    """σ(.4) = .5987."""
    for epsilon, expected in ((0.0986, [(0, 1)]), (0.0988, [])):
        found = Counter()
        assert (
            pairs(differences([0.4, 0.0]), "ab", dropped=found, mode="best_worst", epsilon=epsilon)
            == expected
        )
        assert found["undecided"] == (not expected)


def test_the_rows_of_all_responses_say_what_each_is_worth():
    """Numbers start at 0 whatever is left out, and opponents are all K: dropping changes no worth."""
    data = [group(4, ["x", "x"]), group(5, ["a", "bb…", "a", "c"])]
    tables = [differences([0.0, 0.0]), differences([1.0, 2.0, 1.0, 0.0])]
    found, dropped = rows.groups(data, worth_of(*tables), selection(), 0)
    [row] = found
    assert dropped == {"duplicate": 2, "alone": 1, "truncated": 1}
    assert {name: row[name] for name in ("group", "source_group", "prompt_id")} == {
        "group": 0,
        "source_group": 5,
        "prompt_id": f"{5:016x}",
    }
    assert "z" not in row and row["prompt_tokens"] == [7, 8] and row["prompt"] == "prompt 5"
    assert [one["sample"] for one in row["responses"]] == [0, 3]
    for one, reward in zip(row["responses"], (1.0, 0.0), strict=True):
        others = 1 / (1 + np.exp(-(reward - np.array([1.0, 2.0, 1.0, 0.0]))))
        assert one["win_probability"] == pytest.approx(others.mean())
        assert one["reward"] == pytest.approx(reward - 1.0)
        assert one["tokens"][-1] == 0 and one["finish"] == "stop"
        assert "pair_probability" not in one


def test_the_rows_of_a_pair_say_which_is_better():
    """In the order of the samples; the summary follows the label."""
    data = [group(0, ABCDE), group(1, ABCDE)]
    tables = [differences([-1, 0, 0, 0, 1]), differences([1, 0, 0, 0, -1])]
    found, dropped = rows.groups(data, worth_of(*tables), selection(mode="best_worst"), 0)
    assert [row["z"] for row in found] == [1, 0]
    for row, better in zip(found, (4, 0), strict=True):
        assert [one["sample"] for one in row["responses"]] == [0, 4]
        first, second = (one["pair_probability"] for one in row["responses"])
        assert first + second == pytest.approx(1.0)
        assert row["responses"][row["z"]]["sample"] == better
        assert max(first, second) == pytest.approx(1 / (1 + np.exp(-2)))
    said = rows.summary(2, found, dropped)
    best = np.mean(1 / (1 + np.exp(-(1 - np.array([-1, 0, 0, 0, 1])))))
    assert said["chosen_win_probability"] == pytest.approx(best)
    assert said["rejected_win_probability"] == pytest.approx(1 - best)
    assert said["dropped"] == {"truncated": 0, "duplicate": 0, "alone": 0, "undecided": 0}
    assert (said["prompts"], said["rows"], said["responses"]) == (2, 2, 4)


def test_a_prompt_has_a_row_for_each_pair_above():
    found, _ = rows.groups(
        [group(3, "abc")], worth_of(differences([0, 1, 2])), selection(mode="above"), 0
    )
    assert [(row["group"], row["source_group"], row["z"]) for row in found] == [
        (0, 3, 1),
        (1, 3, 1),
        (2, 3, 1),
    ]


def test_nothing_left_is_an_error_with_the_counts_and_what_to_change():
    data = [group(0, ["a", "a", "b…"]), group(1, ["c", "d", "d"])]
    worth = worth_of(differences([0, 0, 0]), differences([0, 0, 0]))
    with pytest.raises(ValueError) as error:
        rows.groups(data, worth, selection(mode="best_worst"), 0)
    said = str(error.value)
    assert "none of 2 prompts" in said and "1 truncated responses and 2 whose text" in said
    assert "1 prompts with fewer than two texts and 1 undecided pairs" in said
    assert "generation.max_new_tokens" in said and "selection.drop_truncated: false" in said
