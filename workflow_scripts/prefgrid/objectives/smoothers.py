"""Differentiable links made from the blocks of an isotonic fit.

Blocks k = 1..K cover [left_k, right_k] at levels y_k, nondecreasing.  All functions take t as
Tensor[G], blocks as Tensor[K] and a width in the unit of t, which not all of them use, and return
Tensor[G].  The gradient flows through t only.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import ndtr

# gaps between blocks are at least this wide in `knot_linear`, nats: its slopes stay finite
LEAST_GAP = 1.0e-6


def gaussian_cdf(
    index: Tensor, left: Tensor, right: Tensor, level: Tensor, width: Tensor
) -> Tensor:
    """ψ(t) = y_1 + Σ_k (y_{k+1} − y_k) Φ((t − c_k)/width), c_k midway between blocks k and k+1.

    The step function convolved with a normal density: monotone, smooth, within [y_1, y_K], and
    symmetric if the blocks are.
    """
    jump = level.diff()
    centre = (right[:-1] + left[1:]) / 2
    return level[0] + (jump * ndtr((index[:, None] - centre) / width)).sum(dim=1)


def knot_softmax(
    index: Tensor, left: Tensor, right: Tensor, level: Tensor, width: Tensor
) -> Tensor:
    """ψ(t) = Σ_k softmax_k(−|t − x_k|/width)·y_k, x_k the midpoint of block k.

    The smoother published for language models.  Every block weighs the same whatever its size, and
    the result need not be monotone.
    """
    knot = (left + right) / 2
    return (-(index[:, None] - knot).abs() / width).softmax(dim=1) @ level


def knot_linear(index: Tensor, left: Tensor, right: Tensor, level: Tensor, width: Tensor) -> Tensor:
    """ψ(t): y_k in block k, linear from right_k to left_{k+1}, constant outside; `width` is unused.

    Linear interpolation between the fitted points, each at the level of its block: the smoother
    published for the synthetic study.  Monotone and continuous (but for gaps below `LEAST_GAP`);
    the gradient is 0 inside blocks and outside, and at an end of a block that of the gap there (of
    two gaps the lower one).
    """
    below = (torch.searchsorted(left, index.detach()) - 1).clamp(min=0)
    above = (below + 1).clamp(max=left.numel() - 1)
    gap = (left[above] - right[below]).clamp(min=LEAST_GAP)
    share = ((index - right[below]) / gap).clamp(0, 1)
    return level[below] + (level[above] - level[below]) * share


SMOOTHERS = {
    "gaussian_cdf": gaussian_cdf,
    "knot_softmax": knot_softmax,
    "knot_linear": knot_linear,
}
