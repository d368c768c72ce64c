"""Pure functions of pairs, their index and label, that several objectives share."""

from __future__ import annotations

import torch
from torch import Tensor


def signed_margin(index: Tensor, labels: Tensor) -> Tensor:
    """s = (2z − 1)·t: the index oriented by the label. Tensor[G], nats."""
    return (2 * labels - 1) * index


def bernoulli_nll(probability: Tensor, labels: Tensor) -> Tensor:
    """−[z log p + (1 − z) log(1 − p)] of each row; p must lie strictly inside (0, 1)."""
    return -(labels * probability.log() + (1 - labels) * torch.log1p(-probability))


def with_flipped(index: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Each pair and its flipped twin: (t, z) then (−t, 1 − z). Tensors[2N].

    y0 and y1 are exchangeable, so both are draws of the same model, and a link fitted to both
    satisfies ψ(−t) = 1 − ψ(t).
    """
    return torch.cat([index, -index]), torch.cat([labels, 1 - labels])


def covariance_sign(index: Tensor, labels: Tensor) -> int:
    """ζ = +1 if mean[(t − mean t)(z − mean z)] ≥ 0, else −1 (arXiv 2512.21917)."""
    covariance = ((index - index.mean()) * (labels - labels.mean())).mean()
    return 1 if covariance.item() >= 0 else -1
