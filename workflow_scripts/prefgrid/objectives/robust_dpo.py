"""Robust DPO (Chowdhury, Kini, Natarajan, arXiv 2403.00409): DPO for labels flipped at a known rate.

    L = mean_i [(1 − ε)·softplus(−β_train·s_i) − ε·softplus(β_train·s_i)] / (1 − 2ε)

with s_i = (2 z_i − 1)·t_i.  If labels are flipped with probability ε, this is an unbiased estimate
of the DPO loss of the labels before the flips.  The observed label's link is therefore
P(z = 1 | t) = ε + (1 − 2ε)·σ(β_train·t).

As softplus(x) − softplus(−x) = x, the loss is DPO's minus ε/(1 − 2ε)·β_train·s_i.  It is not bounded
below: where labels are more certain than 1 − ε, as single labels are to a policy that can memorise
them, t is pushed outward without end.  So the number of epochs matters more than in DPO.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from prefgrid.objectives import base
from prefgrid.objectives.pairs import signed_margin

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
OPTIONS = {
    # scale of the index in the loss
    "beta_train": (1.0, "[1e-6, 1e6]"),
    # ε, the assumed share of flipped labels; 0 is DPO.  It is an input, not estimated.
    "flip_rate": (0.1, "[0, 0.499]"),
}


class Objective(base.Objective):
    """Stateless."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.beta_train = float(self.options["beta_train"])
        self.flip_rate = float(self.options["flip_rate"])

    def loss(self, batch: base.Batch) -> Tensor:
        """Mean over the pairs, nats a pair; may be negative."""
        margin = self.beta_train * signed_margin(batch.index, batch.targets)
        kept, flipped = softplus(-margin), softplus(margin)
        debiased = (1 - self.flip_rate) * kept - self.flip_rate * flipped
        return debiased.mean() / (1 - 2 * self.flip_rate)

    def probability(self, index: Tensor) -> Tensor:
        """P(observed label = 1): between ε and 1 − ε."""
        return self.flip_rate + (1 - 2 * self.flip_rate) * torch.sigmoid(self.beta_train * index)
