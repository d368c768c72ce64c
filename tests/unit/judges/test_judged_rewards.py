"""A judge is anybody's code: what it gives is checked before it becomes data."""

import numpy as np
import pytest

from prefgrid.judges.base import judged_rewards


class Gives:
    def __init__(self, value):
        self.value = value

    def score(self, prompts, responses):
        return self.value


PAIRS = ["p", "p"], ["one", "two"]


def test_any_sequence_of_numbers_is_float32():
    for value in ([1, 2.5], np.array([1.0, 2.5])):
        found = judged_rewards(Gives(value), *PAIRS)
        assert found.dtype == np.float32 and found.tolist() == [1.0, 2.5]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1.0], r"rewards of shape \[1\] for 2 pairs"),
        ([[1.0], [2.0]], r"rewards of shape \[2, 1\] for 2 pairs"),
        ([1.0, float("nan")], "score of 'two' as an answer to 'p' is nan"),
        ([1.0, 1e39], "score of 'two' as an answer to 'p' is inf"),
    ],
)
def test_anything_else_is_refused(value, said):
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=said):
        judged_rewards(Gives(value), *PAIRS)
