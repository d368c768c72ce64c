"""Differentiable links made from the blocks of an isotonic fit.

Blocks k = 1..K cover [left_k, right_k] at levels y_k, nondecreasing.  All functions take t as
Tensor[G] and blocks as Tensor[K], and return Tensor[G].  The gradient flows through t only.
"""

from __future__ import annotations

from torch import Tensor
from torch.special import ndtr


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

    The published smoother.  Every block weighs the same whatever its size, and the result need not
    be monotone.
    """
    knot = (left + right) / 2
    return (-(index[:, None] - knot).abs() / width).softmax(dim=1) @ level


SMOOTHERS = {"gaussian_cdf": gaussian_cdf, "knot_softmax": knot_softmax}
