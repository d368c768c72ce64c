"""Circles among K responses, and what no scalar score can say because of them."""

import math

import numpy as np

# Of three independent fair verdicts: two of the eight outcomes are circles.
CHANCE = 0.25
# Subsets of so many responses are listed in a moment.
MOST_RESPONSES = 12


def circular_share(logits: np.ndarray) -> float:
    """Share of the C(K, 3) triples in which each response beats one and loses to one; NaN below K = 3.

    logits: [K, K], l_ij > 0 where i beats j, and l_ij = −l_ji. A triple with a tie is no circle.
    """
    count = len(logits)
    if count < 3:
        return np.nan
    beats = (np.asarray(logits) > 0).astype(np.int64)
    # Closed walks of three steps; a circle has three starts.
    circles = np.trace(beats @ beats @ beats) // 3
    return float(circles / math.comb(count, 3))


def gains(first: np.ndarray, second: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """[K, K]: the comparisons in which a verdict "i beats j" is expected to be right. first, second: responses,
    numbered from 0; probability: that `first` is preferred, 1 for a label."""
    count = int(max(first.max(), second.max())) + 1
    found = np.zeros((count, count))
    np.add.at(found, (first, second), probability)
    np.add.at(found, (second, first), 1 - probability)
    return found


def most(gain: np.ndarray) -> float:
    """The largest total of `gains` that any verdicts reach, one a pair."""
    return float(np.triu(np.maximum(gain, gain.T)).sum())


def most_by_scores(gain: np.ndarray) -> float:
    """The largest total of `gains` that any scalar scores of the responses reach: those of a ranking.

    On a pure circle of n it is n − 1. NaN where likelier sides run in circles among more than
    `MOST_RESPONSES`. By dynamic programming over which responses are placed already (Held & Karp 1962; here
    for the linear ordering problem).
    """
    count = len(gain)
    if not _runs_in_circles(gain > gain.T):
        return most(gain)
    if count > MOST_RESPONSES:
        return np.nan
    best = np.full(1 << count, -np.inf)
    best[0] = 0.0
    for placed in range(1 << count):
        for response in range(count):
            if not placed >> response & 1:
                beaten = [other for other in range(count) if placed >> other & 1]
                total = best[placed] + gain[response, beaten].sum()
                after = placed | 1 << response
                best[after] = max(best[after], total)
    return float(best[-1])


def _runs_in_circles(beats: np.ndarray) -> bool:
    """Whether [K, K] has a closed walk: responses that beat none of the others are taken away, again and
    again."""
    left = np.arange(len(beats))
    while left.size:
        wins = beats[np.ix_(left, left)].any(axis=1)
        if wins.all():
            return True
        left = left[wins]
    return False
