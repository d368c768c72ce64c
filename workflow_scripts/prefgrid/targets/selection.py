"""Which of a prompt's responses train, and which pairs of them.

What is left out here trains nothing. It stays among the opponents: a truncated response or one that came
twice is a draw of the policy like any other.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from prefgrid import seeding
from prefgrid.targets.worth import Worth

# Reasons of what is dropped: of responses, of prompts, of pairs.
TRUNCATED, DUPLICATE, ALONE, UNDECIDED = "truncated", "duplicate", "alone", "undecided"
REASONS = (TRUNCATED, DUPLICATE, ALONE, UNDECIDED)
NOISE = "self play: whom the best response is paired with"

Pair = tuple[int, int]


def kept(
    responses: Sequence[Mapping[str, Any]], selection: Mapping[str, Any], dropped: Counter
) -> list[int]:
    """Numbers of the responses that may train, in order; none where fewer than two texts are left.

    responses: with text and finish. Truncated ones go first, then those whose text was there before.
    dropped: is counted up by reason.
    """
    left, seen = [], set()
    for number, one in enumerate(responses):
        if selection["drop_truncated"] and one["finish"] == "length":
            dropped[TRUNCATED] += 1
        elif selection["drop_duplicates"] and one["text"] in seen:
            dropped[DUPLICATE] += 1
        else:
            left.append(number)
            seen.add(one["text"])
    if len(seen) < 2:
        dropped[ALONE] += 1
        return []
    return left


def pairs(
    worth: Worth,
    responses: Sequence[Mapping[str, Any]],
    left: Sequence[int],
    selection: Mapping[str, Any],
    keys: tuple[int, str],
    dropped: Counter,
) -> list[Pair]:
    """(better, worse) of the pairs that train, by the numbers of their responses; of a mode of pairs.

    left: of `kept`. keys: (seed, prompt id), by which best_random draws. Among equals the first
    is the best, or the worst: responses are draws of one policy, so that is as good as any. Undecided, and
    dropped, is a pair of equal texts or equal values, or one whose probability is no further than epsilon from ½.
    """
    if not left:
        return []
    values = worth.values(selection["by"])
    found = []
    for first, second in _candidates(values, left, selection["mode"], keys):
        lead = worth.probability[first, second] - 0.5
        ahead = lead if selection["mode"] == "above" else values[first] - values[second]
        same = responses[first]["text"] == responses[second]["text"]
        if same or not ahead or abs(lead) <= selection["epsilon"]:
            dropped[UNDECIDED] += 1
        else:
            found.append((first, second) if ahead > 0 else (second, first))
    return found


def _candidates(
    values: np.ndarray, left: Sequence[int], mode: str, keys: tuple[int, str]
) -> Iterator[Pair]:
    if mode == "above":
        yield from combinations(left, 2)
        return
    best = max(left, key=lambda number: values[number])
    others = [number for number in left if number != best]
    if mode == "best_worst":
        yield best, min(others, key=lambda number: values[number])
    else:
        seed, prompt_id = keys
        yield best, others[seeding.stream(seed, NOISE, prompt_id).integers(len(others))]
