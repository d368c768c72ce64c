"""KTO on pairs (`kto_pair` of early TRL and of SPPO's code; after Ethayarajh et al., arXiv 2402.01306).

    L = mean over the 2G responses of  1 − σ(β_train·(a_w − K_l))  and  1 − σ(β_train·(K_w − a_l)),
    K_w = max(0, mean a_w),    K_l = max(0, mean a_l)

with a the log-ratios of the preferred and of the other responses, and the means over the whole step: K is
an estimate of a KL, at which a response is worth nothing.  It is a point of reference, so no gradient is
to flow through it (as in KTO); the published code lets it, which is `stop_gradient: false`.

K moves with the batch, and no function of the index t is a link: the learned probability is NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prefgrid.objectives import base

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": True}
OPTIONS = {
    # scale of the log-ratios in the loss
    "beta_train": (1.0, "[1e-6, 1e6]"),
    # false: the gradient flows through K too, as published
    "stop_gradient": (True, [True, False]),
}


class Objective(base.Objective):
    """Stateless."""

    needs, declared = NEEDS, OPTIONS

    def loss(self, batch: base.Batch) -> Tensor:
        """Mean over the responses of both kinds, between 0 and 1."""
        first, second = batch.log_ratios.unbind(1)
        is_second = batch.targets > 0.5
        chosen = torch.where(is_second, second, first)
        rejected = torch.where(is_second, first, second)
        kl_chosen, kl_rejected = chosen.mean().clamp(min=0), rejected.mean().clamp(min=0)
        if self.options["stop_gradient"]:
            kl_chosen, kl_rejected = kl_chosen.detach(), kl_rejected.detach()
        margins = torch.cat([chosen - kl_rejected, kl_chosen - rejected])
        return torch.sigmoid(-self.options["beta_train"] * margins).mean()

    def probability(self, index: Tensor) -> Tensor:
        """NaN: K is the batch's, so no link is the index's."""
        return torch.full_like(index, torch.nan)
