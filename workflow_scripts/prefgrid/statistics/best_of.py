"""Best of n: which of n responses a judge that compares prefers to the others."""

import numpy as np
from scipy import special


def chosen(logits: np.ndarray, of: int) -> np.ndarray:
    """Int [P, N // n]: of each block of n = `of` candidates, in their order, the number of the best.

    logits: [P, N, N], l_ij = −l_ji. The best has the highest mean probability σ(l_ij) against the n − 1 others
    of its block; the first of equals. Candidates that fill no block are left out; n = 1 is a plain sample.
    ValueError for an n that N candidates cannot fill once.
    """
    prompts, candidates, _ = logits.shape
    if not 1 <= of <= candidates:
        raise ValueError(f"best of {of} among {candidates} candidates; allowed: 1 to {candidates}")
    blocks = np.arange(candidates // of * of).reshape(-1, of)
    # A candidate meets itself with ½, which is the same for all.
    probability = special.expit(logits[:, blocks[:, :, None], blocks[:, None, :]])
    best = probability.mean(axis=3).argmax(axis=2)
    return blocks[np.arange(len(blocks)), best].reshape(prompts, -1)
