"""How far a policy's soft values are from the scores: the losses of `softpo`, whose names they bear."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

PUBLISHED_LIMIT, PUBLISHED_FLOOR = 10.0, 1e-8


@dataclass(frozen=True)
class Scored:
    """Responses beside what is wanted of them; numbers, or Tensor[G, K] unless said otherwise.

    log_ratios Δ and logp_sums, nats. scores, values Q̂0 (Tensor[G, 1], no gradient) and beta are in
    one unit. sampling_logps, nats, or None. options: those of `softpo`.
    """

    log_ratios: Tensor
    logp_sums: Tensor
    scores: Tensor
    values: Tensor
    beta: float
    sampling_logps: Tensor | None
    options: dict[str, Any]

    @property
    def wanted(self) -> Tensor:
        """y, the log-ratio that a response would have under π*, nats."""
        return (self.scores - self.values) / self.beta


def log_complement(logs: Tensor) -> Tensor:
    """log(1 − e^x) for x < 0, exact near 0 and far out, gradients too."""
    near = logs > -math.log(2)
    # The branch not taken gets a number at which its slope is finite.
    close, far = torch.where(near, logs, -1.0), torch.where(near, -1.0, logs)
    return torch.where(near, (-torch.expm1(close)).log(), torch.log1p(-far.exp()))


def squared(scored: Scored) -> Tensor:
    return (scored.log_ratios - scored.wanted).square()


def squared_clip(scored: Scored) -> Tensor:
    floor = -scored.options["floor_nats"]
    return (scored.log_ratios.clamp(min=floor) - scored.wanted.clamp(min=floor)).square()


def huber(scored: Scored) -> Tensor:
    delta = scored.options["huber_nats"]
    return 2 * huber_loss(scored.log_ratios, scored.wanted, reduction="none", delta=delta)


def cross_entropy(scored: Scored) -> Tensor:
    soft_value = scored.values / scored.beta + scored.log_ratios
    capped = soft_value.clamp(max=-scored.options["cap_nats"])
    log_target = scored.scores / scored.beta
    fit = log_target.exp() * capped - torch.expm1(log_target) * log_complement(capped)
    return scored.options["hinge"] * soft_value.clamp(min=0).square() - fit


def wmle(scored: Scored) -> Tensor:
    reference_logps = (scored.logp_sums - scored.log_ratios).detach()
    # log π*: above 0 only where Q̂0 is too low, and there the weight would grow without bound.
    optimum = (reference_logps + scored.wanted).clamp(max=0)
    return -(optimum - scored.sampling_logps).exp() * scored.logp_sums


def published_squared(scored: Scored) -> Tensor:
    return (_published_value(scored) - scored.scores).square()


def published_cross_entropy(scored: Scored) -> Tensor:
    value, target = _published_value(scored).clamp(max=0), scored.scores.exp()
    return -(target * value + (1 - target) * (1 - value.exp() + PUBLISHED_FLOOR).log())


def _published_value(scored: Scored) -> Tensor:
    value, advantage = scored.values, scored.beta * scored.log_ratios
    limits = -PUBLISHED_LIMIT, PUBLISHED_LIMIT
    return value.clamp(*limits) + advantage.clamp(*limits)


LOSSES: dict[str, Callable[[Scored], Tensor]] = {
    loss.__name__: loss
    for loss in (
        cross_entropy,
        squared,
        squared_clip,
        huber,
        wmle,
        published_cross_entropy,
        published_squared,
    )
}
# Their targets are probabilities, e^r or e^(r/β).
CROSS_ENTROPIES = (cross_entropy.__name__, published_cross_entropy.__name__)
