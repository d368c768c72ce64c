"""Splits of comparisons: by the prompt alone, held out as the prompt pools hold out."""

import random

import pytest

from prefgrid.comparisons import base
from prefgrid.data import pools
from prefgrid.files import kinds, records

EDGE = (base.Comparison(0, 1),)
SHARE = 0.2


def rows(count: int) -> list[base.Compared]:
    """Two of each prompt, the second one spelled with other white space."""
    return [
        base.Compared(f"prompt{' ' * spaces} {number}", ("a", f"b{spaces}"), EDGE)
        for number in range(count)
        for spaces in (0, 3)
    ]


def ids(split: list[dict]) -> set[str]:
    return {row["prompt_id"] for row in split}


def test_a_prompt_is_on_one_side_and_that_of_the_pools():
    sets = base.by_prompt(rows(4000), SHARE)
    train, calibration, test = ids(sets.train), ids(sets.calibration), ids(sets.test)
    assert not train & calibration and not train & test and not calibration & test
    assert sum(map(len, (sets.train, sets.calibration, sets.test))) == 8000
    trained, held_out = pools.split([f"prompt {number}" for number in range(4000)], SHARE)
    assert train == ids(trained) and calibration | test == ids(held_out)
    # Binomial shares: 4000 · .2 and its half, within five standard deviations.
    assert abs(len(calibration | test) - 800) < 5 * (4000 * 0.2 * 0.8) ** 0.5
    assert abs(len(calibration) - 400) < 5 * (4000 * 0.1 * 0.9) ** 0.5


def test_other_rows_and_their_order_move_nobody():
    some = rows(200)
    shuffled = random.Random(0).sample(some, 150)
    for split in base.SPLITS:
        every = {str(row) for row in getattr(base.by_prompt(some, SHARE), split)}
        kept = {str(base.row(one)) for one in shuffled}
        assert {str(row) for row in getattr(base.by_prompt(shuffled, SHARE), split)} == every & kept


def test_order_is_that_of_the_source():
    prompts = [row["prompt"] for row in base.by_prompt(rows(200), SHARE).train]
    assert prompts == [one.prompt for one in rows(200) if one.prompt in prompts]


def test_a_benchmark_is_all_test_and_trains_nobody():
    sets = base.benchmark(rows(1000))
    assert sets.train == [] and len(sets.test) == 2000
    assert ids(sets.calibration) == {one for one in ids(sets.test) if base.is_calibration(one)}
    assert abs(len(ids(sets.calibration)) - 500) < 5 * (1000 * 0.25) ** 0.5


GOOD = base.row(base.Compared("p", ("a", "b"), (base.Comparison(0, 1, 0.3, margin=2.0),), "s"))


def test_a_row_is_of_its_record():
    assert kinds.problem(GOOD, records.Compared) is None
    assert GOOD["comparisons"] == [{"first": 0, "second": 1, "probability": 0.3, "margin": 2.0}]
    assert "margin" not in base.row(rows(1)[0])["comparisons"][0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"responses": [{"text": "a"}]}, "at least 2"),
        ({"comparisons": []}, "at least 1"),
        ({"comparisons": [{"first": 0, "second": 0, "probability": 1.0}]}, "0 and 0 of 2"),
        ({"comparisons": [{"first": 0, "second": 2, "probability": 1.0}]}, "0 and 2 of 2"),
        ({"comparisons": [{"first": 0, "second": 1, "probability": 1.5}]}, "probability"),
        ({"section": None}, "section"),
    ],
)
def test_what_is_no_row_is_named(changes, said):
    assert said in kinds.problem(GOOD | changes, records.Compared)
