"""How often one policy's responses are preferred to another's, by a judge's logits.

Of policies A and B with S responses each to a prompt, all S·S pairs are compared. A pair's logit is
(l_ab − l_ba)/2, so that the order of showing has no part in it. The win rate is the share of pairs won,
ties ½, as benchmarks report it; it is the same for every judge that ranks alike, whatever the scale of its
logits, while the mean probability is that of which theory speaks and grows with the scale.
"""

import numpy as np
from scipy import special

TIE = 0.5


def won(logits: np.ndarray) -> np.ndarray:
    """1 where the logit is above 0, 0 where below, `TIE` at 0; of the same shape. ValueError for NaN."""
    logits = np.asarray(logits, np.float64)
    if np.isnan(logits).any():
        raise ValueError("a logit is not a number; allowed: numbers and infinities")
    return (1 + np.sign(logits)) / 2


def by_prompt(logits: np.ndarray) -> np.ndarray:
    """Win rate [P] of the first policy at each prompt. logits: [P, S, R], each of its S responses against each
    of the other's R."""
    return won(logits).mean(axis=(1, 2))


def mean_probability(logits: np.ndarray) -> float:
    """Mean over prompts of the mean of σ(logit); logits as in `by_prompt`."""
    return float(special.expit(np.asarray(logits, np.float64)).mean(axis=(1, 2)).mean())
