"""Nadaraya–Watson kernel regression with a Gaussian kernel (Nadaraya 1964, Watson 1964)."""

from __future__ import annotations

import torch
from torch import Tensor


def nadaraya_watson(
    query: Tensor,
    points: Tensor,
    values: Tensor,
    bandwidth: Tensor | float,
    prior_value: Tensor | float,
    prior_mass: float,
    excluded: Tensor | None = None,
) -> Tensor:
    """ĝ(t) = (Σ_j w_j y_j + m₀ y₀) / (Σ_j w_j + m₀),  w_j = exp(−½ ((t − t_j)/h)²).

    query: Tensor[G]; points, values: Tensor[M]; bandwidth h in the unit of t.
    prior_value y₀ (scalar or Tensor[G]) and prior_mass m₀ ≥ 0 say what ĝ is where no point is near;
    m₀ counts points: the mass of a point at distance 0 is 1.
    excluded: bool Tensor[G, M], True where a point must not be used for a query (leave-one-out).
    Returns Tensor[G]; differentiable in `query`.  With m₀ = 0 it is NaN where all weights vanish.
    """
    weight = torch.exp(-0.5 * ((query[:, None] - points) / bandwidth).square())
    if excluded is not None:
        weight = weight.masked_fill(excluded, 0.0)
    return (weight @ values + prior_mass * prior_value) / (weight.sum(dim=1) + prior_mass)
