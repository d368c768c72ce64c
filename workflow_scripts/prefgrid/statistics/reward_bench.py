"""The published scores of RewardBench 2 from pairwise verdicts.

Source: Malik et al., arXiv 2506.01937, with the formulas of the authors' code
(github.com/allenai/reward-bench, `rewardbench/utils.py`). RewardBench's own weights are in
`comparisons.reward_bench`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np


def best_of(logits: np.ndarray, chosen: int, rejected: Sequence[int]) -> float:
    """Whether `chosen` beats every one of `rejected`: 1, or 1/(1 + m) where it ties with m of them and
    loses to none, else 0. A scalar's best score is the same.

    logits: [K, K], l_ij > 0 where i beats j.
    """
    own = np.asarray(logits)[chosen, list(rejected)]
    return 0.0 if (own < 0).any() else 1 / (1 + int((own == 0).sum()))


def mean_logits(logits: np.ndarray) -> np.ndarray:
    """[K] a score of each response: its mean logit against all K, itself (0) included.

    Of a scalar judge, l_ij = r_i − r_j, that is r_i less the mean, so that gaps between scores are r's
    own; of any other it is the score nearest to its logits (least squares).
    """
    return np.asarray(logits, np.float64).mean(axis=1)


class Answered(NamedTuple):
    """Scores of one prompt of the Ties set."""

    correct: np.ndarray
    incorrect: np.ndarray

    @property
    def spread(self) -> float:
        """Between the best and the worst of the correct."""
        return float(self.correct.max() - self.correct.min())

    @property
    def gap(self) -> float:
        """From the best of the incorrect up to the worst of the correct."""
        return float(self.correct.min() - self.incorrect.max())


def ties_score(tied: Mapping[str, Answered], single: Mapping[str, Answered]) -> float:
    """RewardBench 2's score of its Ties set, between 0 and 1.01.

    tied: prompt → scores, where many answers are right; single: of the prompt of the same name with one
    right answer. 0.3 of the share of either with a gap above 0; 0.2 of the share of pairs whose tied gap
    exceeds the spread, and 0.2 of that whose smaller gap does; and 0.01 of the mean of
    tanh(smaller gap/spread − 1), 0 where both are 0.
    """
    both = [name for name in tied if name in single]
    spread = np.array([tied[name].spread for name in both])
    gap = np.array([tied[name].gap for name in both])
    smaller = np.minimum(gap, [single[name].gap for name in both])
    with np.errstate(divide="ignore", invalid="ignore"):
        closeness = np.nan_to_num(np.tanh(smaller / spread - 1), nan=0.0)
    right = [
        np.mean([one.gap > 0 for one in prompts.values()]) if prompts else 0.0
        for prompts in (tied, single)
    ]
    if not both:
        return float(0.3 * sum(right))
    margins = 0.2 * np.mean(gap > spread) + 0.2 * np.mean(smaller > spread)
    return float(0.3 * sum(right) + margins + 0.01 * closeness.mean())
