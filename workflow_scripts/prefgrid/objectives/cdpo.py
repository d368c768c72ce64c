"""Conservative DPO (Mitchell, "A note on DPO with noisy preferences", 2023): smoothed labels.

    L = mean_i [(1 − ε)·softplus(−β_train·s_i) + ε·softplus(β_train·s_i)]

with s_i = (2 z_i − 1)·t_i: the DPO loss where a label counts as 1 − ε of itself and ε of the other.
The minimiser among all functions of a pair satisfies σ(β_train·t) = (1 − ε)·p + ε·(1 − p) with
p = P(z = 1), so the link is P(z = 1 | t) = (σ(β_train·t) − ε)/(1 − 2ε), cut to [0, 1].

As softplus(x) − softplus(−x) = x, the loss is DPO's plus ε·β_train·s_i: a pull on the margin that is
the same for every pair.  `robust_dpo` has the opposite sign there.
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
    # ε, the weight of the other label; 0 is DPO
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
        """Mean over the pairs, nats a pair."""
        margin = self.beta_train * signed_margin(batch.index, batch.targets)
        kept, flipped = softplus(-margin), softplus(margin)
        return ((1 - self.flip_rate) * kept + self.flip_rate * flipped).mean()

    def probability(self, index: Tensor) -> Tensor:
        """(σ(β_train·t) − ε)/(1 − 2ε) within [0, 1]."""
        smoothed = torch.sigmoid(self.beta_train * index)
        return ((smoothed - self.flip_rate) / (1 - 2 * self.flip_rate)).clamp(0, 1)
