"""The number task: what counts as an answer, and what it is worth."""

import pytest

from prefgrid.studies.soft_policy.task import NumberTask


def test_rewards_of_the_published_log():
    """Target 1: 61 is −.606, 92 −.919, 3 −.0202; the farthest number is −1, the target 0."""
    task = NumberTask(1)
    assert task.reward("61") == pytest.approx(-0.606, abs=5e-4)
    assert task.reward("92") == pytest.approx(-0.919, abs=5e-4)
    assert task.reward("3") == pytest.approx(-2 / 99)
    assert (task.reward("100"), task.reward("1")) == (-1.0, 0.0)


def test_rewards_fall_on_both_sides():
    """Target 30 of 10 … 60: 60 is farthest, at 30."""
    task = NumberTask(30, lo=10, hi=60, r_invalid=-3)
    assert [task.reward(text) for text in ("60", "45", "10", "30")] == [-1, -0.5, -2 / 3, 0]
    assert [task.reward(text) for text in ("9", "61", "")] == [-3, -3, -3]


@pytest.mark.parametrize(
    "text",
    ["", " 7", "7 ", "7\n", "+7", "-7", "07", "007", "7.0", "7.", "1e1", "seven", "7 8", "0x7"]
    + ["0", "101", "٧", "７", "²", "1_0", "23222525", "9" * 5000, "7\x00"],
)
def test_what_is_no_answer(text):
    task = NumberTask(7, r_invalid=-0.75)
    assert task.parse(text) is None
    assert task.reward(text) == -0.75


def test_answers_are_parsed_to_their_numbers():
    task = NumberTask(0, lo=0, hi=120)
    assert [task.parse(answer) for answer in task.answers()] == list(range(121))
    assert task.answers()[:2] == ["0", "1"] and len(NumberTask(1).answers()) == 100
    assert max(map(task.reward, task.answers())) == task.reward("0") == 0


def test_prompts():
    task = NumberTask(17, lo=5, hi=50)
    assert task.prompt() == "Write one whole number from 5 to 50 and nothing else."
    assert task.prompt(named=True) == "Write the whole number 17 from 5 to 50 and nothing else."
    assert "17" not in task.prompt()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"target": 0}, "target = 0; allowed: a whole number from 1 to 100"),
        ({"target": 101}, "target = 101; allowed: a whole number from 1 to 100"),
        ({"target": 5.0}, "target = 5.0; allowed: a whole number"),
        ({"target": True}, "target = True; allowed: a whole number"),
        ({"target": 5, "lo": 5, "hi": 5}, "lo = 5, hi = 5; allowed: lo < hi"),
        ({"target": 5, "lo": -5}, "lo = -5; allowed: a whole number from 0"),
        ({"target": 5, "r_invalid": float("nan")}, "r_invalid = nan; allowed: a finite number"),
        ({"target": 5, "r_invalid": None}, "r_invalid = None; allowed: a finite number"),
    ],
)
def test_a_task_without_answers_is_refused_by_name(fields, words):
    with pytest.raises(ValueError, match=words):
        NumberTask(**fields)
