"""The ring of closings and its judges, and the four aspects. Oracle: the ring written out by hand."""

import math
from itertools import combinations

import numpy as np
import pytest

from prefgrid.config import comparisons, judges
from prefgrid.files import kinds, records
from prefgrid.tinyworld import aspects, circle_judge, closings, language, ring, rule_judge

OPTIONS = {"groups": 2400, "responses": 4, "labels": "drawn", "seed": 0}
GROUPS = 600
DATA = {"eval_share": 0.15}
TALE = "the plain fox sat by the lake. it sat and sat."


def rows(**options):
    sets = closings.read([], OPTIONS | {"groups": GROUPS} | options, DATA)
    return [*sets.train, *sets.calibration, *sets.test]


def texts(row: dict) -> list[str]:
    return [one["text"] for one in row["responses"]]


def test_each_kind_beats_the_next_whatever_the_prompt():
    ends = [*(f" {closing}" for closing in language.CLOSINGS), ""]
    found = ring.logits([TALE + end for end in ends])
    for i in range(9):
        for j in range(9):
            expected = {0: 0.0, 1: ring.RING, 2: -ring.RING}[(j % 3 - i % 3) % 3]
            assert found[i, j] == expected
    assert [ring.kind(TALE + end) for end in ends] == [0, 1, 2] * 3


def test_words_count_beside_the_ring():
    better = TALE.replace("plain", "bright")
    gain = language.WORD_VALUES["bright"] - language.WORD_VALUES["plain"]
    found = ring.logits([TALE, better, f"{better} it was a bad day."])
    assert found[1, 0] == pytest.approx(ring.WORDS * gain)
    assert found[2, 0] == pytest.approx(ring.WORDS * gain - ring.RING), "0 loses to 2"
    assert np.array_equal(found, -found.T)
    assert ring.logits(["", TALE]).shape == (2, 2), "an empty response is one without a closing"


def test_rows_are_groups_whose_pairs_are_all_compared():
    found = rows()
    assert len(found) == len({row["prompt_id"] for row in found}) == GROUPS
    for row in found:
        assert kinds.problem(row, records.Compared) is None
        assert len(set(texts(row))) == 4
        told = [one["kind"] for one in row["responses"]]
        assert told == [f"kind {ring.kind(one)}" for one in texts(row)]
        pairs = {tuple(sorted((one["first"], one["second"]))) for one in row["comparisons"]}
        assert pairs == set(combinations(range(4), 2))
        assert all(one["probability"] == 1.0 for one in row["comparisons"])
    assert rows() == found and rows(seed=1) != found


def test_labels_are_drawn_by_the_probabilities_that_the_other_option_keeps():
    drawn, kept = rows(), rows(labels="probabilities")
    gained, variance, count = 0.0, 0.0, 0
    for row, truth in zip(drawn, kept, strict=True):
        assert texts(row) == texts(truth)
        logits = ring.logits(texts(row))
        for one, true in zip(row["comparisons"], truth["comparisons"], strict=True):
            i, j = true["first"], true["second"]
            p = true["probability"]
            assert p == pytest.approx(1 / (1 + math.exp(-logits[i, j])), abs=1e-12)
            gained += (one["first"] == i) - p
            variance += p * (1 - p)
            count += 1
    assert count == 6 * GROUPS
    assert abs(gained) < 5 * variance**0.5


def test_no_score_orders_what_the_ring_orders():
    """By exact probabilities: the best order of responses by kind and words against the true one."""
    words, sorts, truth = [], [], []
    for row in rows(labels="probabilities"):
        values = [language.worth(one.removesuffix(language.closing(one))) for one in texts(row)]
        kinds_of = [ring.kind(one) for one in texts(row)]
        for one in row["comparisons"]:
            i, j = one["first"], one["second"]
            words.append(values[i] - values[j])
            sorts.append((kinds_of[i], kinds_of[j]))
            truth.append(one["probability"])
    truth, words = np.array(truth), np.array(words)
    first, second = np.array(sorts).T
    best = np.maximum(truth, 1 - truth).mean()
    # A score is a value for each kind and for words; kinds alone can hold two of three edges.
    accuracies = []
    for a in np.linspace(-3, 3, 25):
        for b in np.linspace(-3, 3, 25):
            value = np.array([a, b, 0.0])
            wins = value[first] - value[second] + words > 0
            accuracies.append(np.where(wins, truth, 1 - truth).mean())
    assert best == pytest.approx(0.88, abs=0.02)
    assert max(accuracies) < 0.76
    assert np.bincount(first).min() > 0.2 * len(first)


def test_the_circle_judge_knows_the_true_log_odds():
    judge = circle_judge.load(None, {}, prompt_format="chat", device=None)
    row = rows(labels="probabilities")[0]
    (found,) = judge.logits([row["prompt"]], [texts(row)])
    assert found.dtype == np.float32 and found.shape == (4, 4)
    assert judge.antisymmetric and circle_judge.COMPARES
    for one in row["comparisons"]:
        p = one["probability"]
        assert found[one["first"], one["second"]] == pytest.approx(math.log(p / (1 - p)), rel=1e-4)


def test_the_rule_judge_gives_the_rules_score():
    judge = rule_judge.load(None, {}, prompt_format="chat", device=None)
    prompt = language.prompt("sad", "fox", "lake")
    found = judge.score([prompt, prompt], [TALE, ""])
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([language.score(prompt, TALE), -language.GRAMMAR_WEIGHT])
    with pytest.raises(ValueError, match="no instruction of the tiny world"):
        judge.score(["Why?"], [TALE])


def test_planning_can_read_them():
    for name in ("rule_judge", "circle_judge"):
        assert judges.constants(f"prefgrid.tinyworld.{name}") == ({}, {})
    constants = comparisons.constants("prefgrid.tinyworld.closings")
    assert (constants.defaults, constants.reads) == (OPTIONS, "nothing")


class TestAspects:
    PROMPT = language.prompt("sad", "fox", "lake")

    def ratings(self, response: str) -> dict[str, int]:
        return aspects.ratings(self.PROMPT, response)

    def test_each_sees_a_part_of_its_own(self):
        plain = "the plain fox sat by the lake. it sat and sat."
        before = self.ratings(plain)
        assert before["instruction_following"] == 5 and before["helpfulness"] == 3
        for change, aspect in (
            (plain.replace("fox", "owl"), "instruction_following"),
            (plain.replace("plain fox sat", "bright fox laughed"), "honesty"),
            (plain.replace("it sat and sat", "it laughed and laughed"), "truthfulness"),
            (f"{plain} it was a good day.", "helpfulness"),
        ):
            after = self.ratings(change)
            assert {name for name in before if after[name] != before[name]} == {aspect}
        assert self.ratings(plain.replace("it sat and", "it it sat and"))["truthfulness"] == (
            before["truthfulness"] - 1
        ), "a slip of grammar"

    def test_ratings_are_of_the_scale_of_any_text(self):
        for text in ("", "so", "it was a bad day.", "bright " * 50, "dull. " * 50):
            assert set(self.ratings(text)) == {
                "instruction_following",
                "honesty",
                "truthfulness",
                "helpfulness",
            }
            assert all(rating in range(1, 6) for rating in self.ratings(text).values())
