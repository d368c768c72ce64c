"""IPO: Identity Preference Optimization (Azar et al., arXiv 2310.12036, equation 17).

    L = mean_i (s_i − 1/(2·β_train))²,    s_i = (2 z_i − 1) · t_i

with t the index of `base` and z the label; β_train is the paper's τ.  Among all functions of a pair
the minimiser is t = (2p − 1)/(2·β_train) with p = P(z = 1), so the implied link is linear:
P(z = 1 | t) = ½ + β_train·t, cut to [0, 1].

With `reduction: token_mean` each response's log-ratio is divided by its length in tokens, as in TRL.
Then the loss sees another number than t, and no function of t is its link.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prefgrid.objectives import base
from prefgrid.objectives.pairs import signed_margin

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
OPTIONS = {
    # 1/(2·beta_train) is the margin aimed at, in nats (of the sum or of the mean, see below).  With
    # .25 the link ½ + t/4 is the tangent at 0 of DPO's σ(t), so both learn an index of like scale.
    "beta_train": (0.25, "[1e-6, 1e6]"),
    # sum: log-ratios of whole responses, as in the paper; token_mean: divided by their lengths
    "reduction": ("sum", ["sum", "token_mean"]),
}


class Objective(base.Objective):
    """Stateless."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.beta_train = float(self.options["beta_train"])
        self.token_mean = self.options["reduction"] == "token_mean"

    def loss(self, batch: base.Batch) -> Tensor:
        """mean_i (s_i − 1/(2·β_train))², nats²."""
        index = batch.index
        if self.token_mean:
            index = base.pair_index(batch.log_ratios / batch.lengths)
        return (signed_margin(index, batch.targets) - 0.5 / self.beta_train).square().mean()

    def probability(self, index: Tensor) -> Tensor:
        """½ + β_train·t within [0, 1]; NaN with token means, which have no link of t."""
        if self.token_mean:
            return torch.full_like(index, torch.nan)
        return (0.5 + self.beta_train * index).clamp(0, 1)
