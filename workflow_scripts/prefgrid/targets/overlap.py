"""How much of two responses is the same."""

from collections import Counter
from collections.abc import Sequence

import numpy as np


def overlaps(tokens: Sequence[Sequence[int]]) -> np.ndarray:
    """[N, N]: the Jaccard index of the responses' token ids, counted with their multiplicity: Σ min / Σ max of
    the counts. 1 of equal texts, also of two empty ones; the order of tokens has no part in it."""
    counts = [Counter(one) for one in tokens]
    found = np.eye(len(counts))
    for i, one in enumerate(counts):
        for j, other in enumerate(counts[:i]):
            found[i, j] = found[j, i] = _jaccard(one, other)
    return found


def _jaccard(one: Counter, other: Counter) -> float:
    either = (one | other).total()
    return (one & other).total() / either if either else 1.0
