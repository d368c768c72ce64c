"""DPO: Direct Preference Optimization (Rafailov et al., arXiv 2305.18290, equation 7).

    L = mean_i softplus(−β_train · s_i),    s_i = (2 z_i − 1) · t_i

with t the index of `base` and z the label.  softplus(−x) = −log σ(x).  The implied link is the
logistic one: P(z = 1 | t) = σ(β_train · t).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from prefgrid.objectives import base
from prefgrid.objectives.pairs import signed_margin

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
OPTIONS = {
    # scale of the index in the loss
    "beta_train": (1.0, "[1e-6, 1e6]"),
}


class Objective(base.Objective):
    """Stateless. The published learner is this one with every default."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.beta_train = float(self.options["beta_train"])

    def loss(self, batch: base.Batch) -> Tensor:
        """mean_i softplus(−β_train·s_i), nats a pair."""
        return softplus(-self.beta_train * signed_margin(batch.index, batch.targets)).mean()
