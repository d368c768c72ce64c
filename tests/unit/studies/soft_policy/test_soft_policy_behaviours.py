"""What draws numbers without a model: frequencies and log-probabilities by enumeration."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats
from tiny_numbers import END, TOKENIZER, numbers

from prefgrid.studies.soft_policy.behaviours import InvalidStrings, UniformAnswers
from prefgrid.training.sources import Ask

DIGITS = "0123456789"


def asks(count, prompt=0, first=0):
    return [Ask(3, prompt, number, number) for number in range(first, first + count)]


def text_of(one) -> str:
    assert one.tokens[-1] == END
    return TOKENIZER.decode(one.tokens[:-1])


def test_of_as_many_draws_as_there_are_answers_each_comes_once():
    asked = numbers(2, 9, named=True)
    behaviour = UniformAnswers(asked, 0)
    orders = []
    for turn in range(3):
        drawn = behaviour.draw(asks(9, prompt=1, first=9 * turn), asked.prompts, None)
        orders.append([asked.number(1, one.tokens) for one in drawn])
        assert all(one.logp == pytest.approx(math.log(1 / 9), abs=1e-15) for one in drawn)
    assert all(sorted(order) == list(range(1, 10)) for order in orders)
    assert orders[0] != orders[1] != orders[2] != list(range(1, 10))


def test_which_answer_comes_is_keyed_by_its_number_and_the_seed():
    asked = numbers(hi=100)
    behaviour = UniformAnswers(asked, 0)
    drawn = behaviour.draw(asks(150), asked.prompts, None)
    apart = [behaviour.draw([ask], asked.prompts, None)[0] for ask in asks(150)]
    assert apart == drawn
    assert UniformAnswers(asked, 1).draw(asks(150), asked.prompts, None) != drawn


def enumerated(task) -> dict[str, float]:
    """Probability of every string: its length is one of 0 … L + 2, its digits are independent; what is an
    answer is thrown away."""
    longest = len(str(task.hi)) + 2
    every = {
        "".join(digits): 1 / (longest + 1) / 10**length
        for length in range(longest + 1)
        for digits in itertools.product(DIGITS, repeat=length)
    }
    assert math.fsum(every.values()) == pytest.approx(1)
    kept = {text: p for text, p in every.items() if text not in task.answers()}
    total = math.fsum(kept.values())
    return {text: p / total for text, p in kept.items()}


@pytest.mark.parametrize(("lo", "hi"), [(0, 9), (1, 9), (5, 14)])
def test_invalid_strings_are_what_enumeration_says(lo, hi):
    """Frequencies of every string of up to two digits, and of the longer ones by their lengths, by a χ²
    test; every log-probability to rounding."""
    asked, count = numbers(lo, lo=lo, hi=hi), 6000
    expected = enumerated(asked.tasks[0])
    assert math.fsum(expected.values()) == pytest.approx(1)
    drawn = InvalidStrings(asked, 1).draw(asks(count), asked.prompts, None)
    texts = [text_of(one) for one in drawn]
    for text, one in zip(texts, drawn, strict=True):
        assert asked.number(0, one.tokens) is None
        assert one.logp == pytest.approx(math.log(expected[text]), abs=1e-12)

    def kind(text: str) -> str | int:
        return text if len(text) <= 2 else len(text)

    likely: Counter = Counter()
    for text, p in expected.items():
        likely[kind(text)] += count * p
    found = Counter(map(kind, texts))
    test = stats.chisquare([found[kind] for kind in likely], list(likely.values()))
    assert test.pvalue > 1e-3


def test_with_every_digit_an_answer_no_string_has_length_one():
    asked = numbers(0, lo=0, hi=9)
    drawn = InvalidStrings(asked, 0).draw(asks(300), asked.prompts, None)
    assert {len(text_of(one)) for one in drawn} == {0, 2, 3}


def test_a_string_is_keyed_by_its_ask():
    asked = numbers(2, 9, named=True)
    behaviour = InvalidStrings(asked, 0)
    mixed = [*asks(30), *asks(30, prompt=1)]
    drawn = behaviour.draw(mixed, asked.prompts, None)
    assert [behaviour.draw([ask], asked.prompts, None)[0] for ask in mixed[::-1]] == drawn[::-1]
    assert drawn[:30] != drawn[30:]
    assert InvalidStrings(asked, 1).draw(mixed, asked.prompts, None) != drawn


def test_of_a_hundred_answers_strings_of_up_to_five_digits_are_none():
    asked = numbers(1, hi=100)
    texts = [text_of(one) for one in InvalidStrings(asked, 0).draw(asks(500), asked.prompts, None)]
    assert {len(text) for text in texts} >= {0, 2, 3, 4, 5} and max(map(len, texts)) == 5
    assert not set(texts) & set(asked.tasks[0].answers())
    # About as many of each length, but for those that are mostly answers.
    counts = np.array([sum(len(text) == length for text in texts) for length in (0, 3, 4, 5)])
    assert counts.min() > 500 / 6
