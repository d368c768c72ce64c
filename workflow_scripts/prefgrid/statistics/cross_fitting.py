"""Choosing the best of several, and what it is worth: the same numbers cannot say both.

The best of T noisy means looks better than it is. So half of the prompts choose and the other half say what
the chosen one is worth, and again with the halves exchanged.
"""

from collections.abc import Sequence

import numpy as np

from prefgrid import seeding


def halves(prompt_ids: Sequence[str]) -> np.ndarray:
    """Bool [P]: which prompts are of the first half, each by a hash of its own id."""
    keys = [(prompt_id,) for prompt_id in prompt_ids]
    return seeding.uniforms(0, "cross-fitting", keys, width=1)[:, 0] < 0.5


def best(values: np.ndarray) -> int:
    """Place in [0, T) of the highest mean; values: [T, P]. The first of equals."""
    return int(np.asarray(values).mean(axis=1).argmax())


def cross_fitted(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """[P]: at each prompt the value of the one that the other half chose. values: [T, P]; first: `halves`. All
    NaN where a half is empty."""
    values = np.asarray(values, np.float64)
    if first.all() or not first.any():
        return np.full(values.shape[1], np.nan)
    by_first, by_second = best(values[:, first]), best(values[:, ~first])
    return np.where(first, values[by_second], values[by_first])
