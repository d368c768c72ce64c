"""The part of a judge's scores that a difference in length explains.

The model is AlpacaEval's of length (Dubois et al., arXiv 2404.04475), fitted to scores by least squares:
s_ij ≈ φ tanh((length_i − length_j)/sd), without an intercept, since s_ij = −s_ji.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fit:
    """slope: φ, log-odds; sd_tokens: the root mean square of the differences in length, by which they are
    divided. Both 0 where all lengths are equal, as nothing is explained."""

    slope: float
    sd_tokens: float

    def explained(self, lengths: Sequence[int]) -> np.ndarray:
        """φ tanh((length_i − length_j)/sd), [N, N], antisymmetric."""
        if not self.sd_tokens:
            return np.zeros((len(lengths), len(lengths)))
        return self.slope * np.tanh(_differences(lengths) / self.sd_tokens)


def fit(tables: Sequence[np.ndarray], lengths: Sequence[Sequence[int]]) -> Fit:
    """Of the scores ([N, N] a prompt) and lengths in tokens ([N] a prompt) of all prompts of an iteration,
    each ordered pair of different responses once."""
    pairs = [~np.eye(len(one), dtype=bool) for one in lengths]
    apart = np.concatenate(
        [_differences(one)[pair] for one, pair in zip(lengths, pairs, strict=True)]
    )
    score = np.concatenate([table[pair] for table, pair in zip(tables, pairs, strict=True)])
    sd = float(np.sqrt(np.mean(apart**2)))
    if not sd:
        return Fit(0.0, 0.0)
    bent = np.tanh(apart / sd)
    return Fit(float(bent @ score / (bent @ bent)), sd)


def _differences(lengths: Sequence[int]) -> np.ndarray:
    numbers = np.asarray(lengths, dtype=np.float64)
    return numbers[:, None] - numbers[None, :]
