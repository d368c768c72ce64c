"""Pure functions of groups of responses, ragged as `base.Batch` has them, that several objectives share."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def group_mean(values: Tensor, present: Tensor) -> Tensor:
    """Tensor[G]: mean of `values` [G, K] over the responses that are there."""
    return torch.where(present, values, 0.0).sum(1) / present.sum(1)


def group_variance(values: Tensor, present: Tensor) -> Tensor:
    """Tensor[G]: Σ(v − mean)²/(n − 1) over the n ≥ 2 responses that are there.

    It is the mean of ½(v_i − v_j)² over all their pairs.
    """
    squares = (values - group_mean(values, present)[:, None]).square()
    return torch.where(present, squares, 0.0).sum(1) / (present.sum(1) - 1)


def group_log_mean_exp(values: Tensor, present: Tensor) -> Tensor:
    """Tensor[G]: log of the mean of e^v over the responses that are there."""
    counts = present.sum(1).to(values.dtype)
    return values.masked_fill(~present, -math.inf).logsumexp(1) - counts.log()
