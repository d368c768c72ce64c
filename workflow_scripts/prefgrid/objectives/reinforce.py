"""KL-regularised REINFORCE with a leave-one-out baseline (Williams 1992; RLOO: arXiv 2402.14740).

On K ≥ 2 responses to a prompt, with Δ = log π − log π_ref of a response, score r, and both R and A
without gradient:

    R_i = r_i/β − Δ_i,    A_i = R_i − mean_{j≠i} R_j,    L = −mean_i A_i·log π(y_i)

then the mean over groups. It holds for responses that the policy itself drew, as it stands, and for
no others. There E[∇L] = ∇KL(π‖π*), with the π* = π_ref·exp((r − Q0)/β) of `softpo`, in nats: the
return is RLOO's r − βΔ over β, so that a change of β changes what is aimed at and not the step.
It is also the gradient of `softpo` with `squared` and `value: group` times K/(2(K − 1)), on any group.
At π* every R is Q0/β, and nothing is left to average out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prefgrid.objectives import base
from prefgrid.objectives.groups import group_mean

NEEDS = {"targets": "scores", "responses": None, "reference_logps": True, "coupled": False}
OPTIONS = {
    # β, in the unit of the scores: what a nat of divergence from the reference costs
    "beta": (0.01, "[1e-6, 1e6]"),
}


class Objective(base.Objective):
    """Stateless."""

    needs, declared = NEEDS, OPTIONS

    def loss(self, batch: base.Batch) -> Tensor:
        """−mean_i A_i·log π(y_i) within each group, then the mean over groups: its gradient is in nats, its
        value means nothing. Raises ValueError for a group of one response."""
        count = batch.present.sum(1, keepdim=True)
        if (alone := count[:, 0] < 2).any():
            raise ValueError(
                f"{__name__}: row {int(batch.rows[alone][0])} has one response, and its baseline is "
                "the mean of the others; allowed: two or more responses a group, all drawn by the policy"
            )
        returns = batch.targets / self.options["beta"] - batch.log_ratios.detach()
        mean = group_mean(returns, batch.present)[:, None]
        # R_i less the mean of the others, by the mean of all.
        advantages = (returns - mean) * count / (count - 1)
        return -group_mean(advantages * batch.logp_sums, batch.present).mean()

    def probability(self, index: Tensor) -> Tensor:
        """NaN: scores are no labels."""
        return torch.full_like(index, torch.nan)
