"""Weighted isotonic regression by pooling adjacent violators (PAVA). Numpy only.

    minimise Σ_i w_i (y_i − f(x_i))²  over nondecreasing f

(Ayer et al. 1955; Barlow et al. 1972).  For 0/1 responses the same fit maximises the Bernoulli
likelihood.  The solution is constant on blocks of consecutive x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Blocks:
    """A fitted step function: k blocks in increasing order of x, arrays float64[k].

    left, right: smallest and largest x of the block; value: its level; weight: its total weight.
    """

    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    weight: np.ndarray


def pool_equal(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points with equal x become one point: distinct x (sorted), weighted mean of y, sum of w."""
    distinct, position = np.unique(x, return_inverse=True)
    total = np.bincount(position, weights=weight)
    return distinct, np.bincount(position, weights=weight * y) / total, total


def fit_blocks(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    pool_ties: bool = True,
    merge_tolerance: float = 0.0,
) -> Blocks:
    """Isotonic blocks of y on x, arrays [n], n ≥ 1, weights > 0 (None: all 1).

    pool_ties: points with equal x are pooled first, as a function of x must treat them alike; False
    leaves them in their given order.
    merge_tolerance: a left block merges with its right neighbour when left ≥ right + tolerance.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    weight = np.ones_like(x) if weight is None else np.asarray(weight, dtype=np.float64)
    if x.size == 0:
        raise ValueError("isotonic fit: no points; allowed: at least one")
    if pool_ties:
        x, y, weight = pool_equal(x, y, weight)
    else:
        order = np.argsort(x, kind="stable")
        x, y, weight = x[order], y[order], weight[order]

    # Each entry: [left, right, weighted sum of y, weight]. Sums of 0/1 labels stay exact.
    stack: list[tuple[float, float, float, float]] = []
    for point, target, mass in zip(x.tolist(), y.tolist(), weight.tolist(), strict=True):
        left, total = point, target * mass
        while stack and stack[-1][2] / stack[-1][3] >= total / mass + merge_tolerance:
            left, _, before, before_mass = stack.pop()
            total, mass = total + before, mass + before_mass
        stack.append((left, point, total, mass))
    left, right, total, mass = np.array(stack).T
    return Blocks(left=left, right=right, value=total / mass, weight=mass)


def misplaced(blocks: Blocks, x: np.ndarray) -> Blocks:
    """The fit of the published synthetic code, which misreads its own blocks where x has ties.

    There (`Isotonic1D.fit` of the code of arXiv 2512.21917) a block is laid over as many *distinct*
    x [n] as its rows number, not over those it was fitted to.  So every block right of a tie starts
    too far right, and the last ones fall off.
    """
    distinct = np.unique(np.asarray(x, dtype=np.float64))
    ends = np.minimum(np.cumsum(blocks.weight.astype(int)), distinct.size)
    starts = np.concatenate([[0], ends[:-1]])
    kept = starts < ends
    return Blocks(
        left=distinct[starts[kept]],
        right=distinct[ends[kept] - 1],
        value=blocks.value[kept],
        weight=blocks.weight[kept],
    )
