"""What a judge's logits of one prompt say in log-odds and in probabilities, [N, N] each.

N responses: K of the policy's own first, then those of other policies. An entry is of response i against j;
the diagonal, a response against itself, is 0 in log-odds and ½ in probability.
"""

import math
from collections.abc import Sequence

import numpy as np


def scores(logits: np.ndarray, *, symmetrise: bool, logit_scale: float) -> np.ndarray:
    """Log-odds s_ij that i beats j, float64, from logits l_ij of i shown first.

    symmetrise: s_ij = logit_scale · (l_ij − l_ji)/2, so that s_ij = −s_ji; without it the logit of one order,
    as the SPPO paper's formula has it. logit_scale 2 is that of the released code, l_ij − l_ji.
    """
    logits = np.asarray(logits, dtype=np.float64)
    return logit_scale * ((logits - logits.T) / 2 if symmetrise else logits)


def aggregated(table: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Differences of mean scores, m_i − m_j with m_i = Σ_k weights_k s_ik: what SPPO's released code puts in
    the place of s_ij. A Bradley–Terry table by construction: of circles nothing is left.

    weights: of the opponents, [N], with sum 1; a response that is among them meets itself, with 0.
    """
    means = weighted_means(table, np.broadcast_to(weights, table.shape))
    return means[:, None] - means[None, :]


def softened(table: np.ndarray, overlap: np.ndarray, strength: float) -> np.ndarray:
    """Scores whose probability is ½ + (1 − strength · overlap_ij)(P_ij − ½), as S-SPPO (arXiv 2606.01561)
    draws that of near-identical responses to ½. The score is the logit of the softened probability.

    overlap: [N, N] in [0, 1]. With f = 1 − strength · overlap it is 2 artanh(f tanh(s/2)), as P = (1 + tanh(s/2))/2.
    """
    factor = 1 - strength * overlap
    drawn = 2 * np.arctanh(np.where(factor < 1, factor * np.tanh(table / 2), 0.0))
    return np.where(factor < 1, drawn, table)


def probabilities(table: np.ndarray) -> np.ndarray:
    """σ(s_ij). Where s_ij = −s_ji, P_ij + P_ji = 1 but for the last bit."""
    return 0.5 + 0.5 * np.tanh(np.asarray(table) / 2)


def weighted_means(table: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Σ_j weights_ij table_ij, [rows]. Rounded once, so that a response's mean depends neither on the order of
    its opponents nor on its own place among the others: ties stay ties."""
    return np.array([math.fsum(row) for row in (weights * table).tolist()])
