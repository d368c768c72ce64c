"""What the order in which two responses are shown changes."""

from typing import NamedTuple

import numpy as np
from scipy import special

LOW, HIGH = 0.05, 0.95


class OrderEffect(NamedTuple):
    """P_ij + P_ji − 1, 0 where the order has no part, above 0 where the response shown first is favoured:
    its mean and 5 % and 95 % quantiles; and the share of pairs whose verdict turns with the order."""

    mean: float
    low: float
    high: float
    flipped_share: float


def order_effect(there: np.ndarray, back: np.ndarray) -> OrderEffect:
    """Of pairs' logits l_ij (`there`) and l_ji (`back`), both for the response that is shown first.

    A verdict turns where both orders prefer the first or both the second; a tie has no verdict.
    """
    there, back = np.asarray(there, np.float64), np.asarray(back, np.float64)
    excess = special.expit(there) - special.expit(-back)
    low, high = np.quantile(excess, (LOW, HIGH))
    return OrderEffect(
        float(excess.mean()), float(low), float(high), float((there * back > 0).mean())
    )
