"""Nadaraya–Watson kernel regression with a Gaussian kernel (Nadaraya 1964, Watson 1964)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class KernelSums(torch.autograd.Function):
    """Σ_j w_j and Σ_j w_j y_j at each query, differentiable in the query.

    The forward pass also computes the derivatives, −Σ_j w_j (t − t_j)/h² and the like with y_j, so
    that no [G, M] matrix is kept and the backward pass is free.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        points: Tensor,
        values: Tensor,
        bandwidth: Tensor | float,
        excluded: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor]:
        distance = query[:, None] - points
        weight = distance.square().mul_(-0.5 / bandwidth**2).exp_()
        if excluded is not None:
            weight[excluded] = 0.0
        # [2, M] @ [M, G]: several times as fast as [G, M] @ [M, 2]
        summands = torch.stack([torch.ones_like(values), values])
        mass, hits = summands @ weight.T
        ctx.save_for_backward(summands @ weight.mul_(distance).T / -(bandwidth**2))
        return mass, hits

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, mass_gradient: Tensor, hits_gradient: Tensor
    ) -> tuple[Tensor | None, ...]:
        ((mass_slope, hits_slope),) = ctx.saved_tensors
        return mass_gradient * mass_slope + hits_gradient * hits_slope, None, None, None, None


def nadaraya_watson(
    query: Tensor,
    points: Tensor,
    values: Tensor,
    bandwidth: Tensor | float,
    prior_value: Tensor | float,
    prior_mass: float,
    excluded: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """ĝ(t) = (Σ_j w_j y_j + m₀ y₀) / (Σ_j w_j + m₀),  w_j = exp(−½ ((t − t_j)/h)²).

    query: Tensor[G]; points, values: Tensor[M]; bandwidth h in the unit of t.
    prior_value y₀ (scalar or Tensor[G]) and prior_mass m₀ ≥ 0 say what ĝ is where no point is near;
    m₀ counts points: the mass of a point at distance 0 is 1.
    excluded: positions (of queries, of points), two LongTensor[E]: the pairs whose weight is 0, as
    leave-one-out needs it.
    Returns Tensor[G]; differentiable in `query` and `prior_value`, not in the rest.  With m₀ = 0 it
    is NaN where all weights vanish.
    """
    mass, hits = KernelSums.apply(query, points, values, bandwidth, excluded)
    return (hits + prior_mass * prior_value) / (mass + prior_mass)
