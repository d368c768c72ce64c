"""Hinge loss on the index (SLiC-HF: Zhao et al., arXiv 2305.10425; RSO: Liu et al., arXiv 2309.06657).

    L = mean_i max(0, 1 − β_train·s_i),    s_i = (2 z_i − 1) · t_i

RSO's form, with the reference in the index.  Among all functions of a pair the minimiser is
t = ±1/β_train, whichever label is likelier: it tells which label, not how likely.  So there is no
link, and the learned probability is NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prefgrid.objectives import base
from prefgrid.objectives.pairs import signed_margin

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
OPTIONS = {
    # 1/beta_train is the margin, in nats, beyond which a pair has no loss
    "beta_train": (1.0, "[1e-6, 1e6]"),
}


class Objective(base.Objective):
    """Stateless."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.beta_train = float(self.options["beta_train"])

    def loss(self, batch: base.Batch) -> Tensor:
        """mean_i max(0, 1 − β_train·s_i), in units of the margin."""
        return torch.relu(1 - self.beta_train * signed_margin(batch.index, batch.targets)).mean()

    def probability(self, index: Tensor) -> Tensor:
        """NaN: no probability belongs to this loss."""
        return torch.full_like(index, torch.nan)
