"""SimPO (Meng, Xia, Chen, arXiv 2405.14734, equation 6): length-normalised, without a reference.

    L = mean_i softplus(−(β_train·(2 z_i − 1)·m_i − γ)),
    m_i = log π(y1|x)/|y1| − log π(y0|x)/|y0|

with |y| the length in tokens.  m is no function of the index t, which is a sum and knows the
reference, so the learned probability of a label given t is NaN.

The loss makes sense only for responses of several tokens.  The policy still starts at the reference
and is evaluated by its index against it, like every other.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from prefgrid.objectives import base
from prefgrid.objectives.pairs import signed_margin

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": False, "coupled": False}
OPTIONS = {
    # scale of the difference of mean log-probabilities; the paper searches 2 and 2.5
    "beta_train": (2.0, "[1e-6, 1e6]"),
    # γ, what the scaled difference should exceed, nats; the paper searches .3 to 1.6
    "gamma": (1.0, "[0, 1e3]"),
}


class Objective(base.Objective):
    """Stateless."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.beta_train = float(self.options["beta_train"])
        self.gamma = float(self.options["gamma"])

    def loss(self, batch: base.Batch) -> Tensor:
        """mean_i softplus(γ − β_train·(2 z_i − 1)·m_i), nats a pair."""
        means = base.pair_index(batch.logp_sums / batch.lengths)
        margin = signed_margin(means, batch.targets)
        return softplus(self.gamma - self.beta_train * margin).mean()

    def probability(self, index: Tensor) -> Tensor:
        """NaN: the loss says nothing of the index."""
        return torch.full_like(index, torch.nan)
