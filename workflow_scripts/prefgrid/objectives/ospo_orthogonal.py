"""OSPO with orthogonalized gradients (Klein & Spady 1993; arXiv 2512.21917).

The link of a policy θ is g_θ(t) = E[z | t_θ = t]: it moves with θ.  So the gradient of the profile
likelihood moves along

    ∇t_i − E[∇t | t = t_i]

and not along ∇t_i, as `ospo` has it: what only relabels the index, such as its scale, changes
nothing, and to first order the gradient does not see the error of ĝ.  Here the expectation is a
kernel estimate over the rows of the optimizer step, put into the loss of `ospo` through

    t_i  →  t_i − Σ_j W_ij (t_j − stop(t_j)),    W_ij ∝ exp(−½ ((t_i − t_j)/h)²),    Σ_j W_ij = 1

whose value is t_i and whose gradient is ∇t_i − Σ_j W_ij ∇t_j.  ĝ is still that of the memory.
`symmetrize` gives each row a flipped twin here too, with −t and −∇t.

What is approximate: rows of the memory carry no gradient, so the estimate is that of one batch, with
a wider h than ĝ has, and it keeps a share of order (h/sd)² of a smooth function of t.  A row is part
of its own estimate, which is the leave-one-out one times 1 − W_ii: rows without neighbours fade out
instead of following a neighbour that is far away.  The prior of `ospo`, its clip and its blend see the
same projected gradient: a prior σ(β_train·t) cannot stretch the index.  The warm start is plain DPO.

What follows for training: the scale of t stays about where the warm start left it, where DPO and
`ospo` let it grow, which makes their later steps small against it.  At a constant learning rate this
loss therefore fits the noise of the labels sooner, and needs few epochs or a decaying rate.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from prefgrid.objectives import base, ospo

# The loss is a mean over rows, but its gradient couples them.
NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": True}
OPTIONS = {
    # c in h = c · b^(−bandwidth_exponent) · (sd + bandwidth_floor), b rows in the batch
    "projection_bandwidth": (1.5, "[1e-4, 1e4]"),
    # the others are those of `ospo`
    "beta_train": (1.0, "[1e-6, 1e6]"),
    "warm_start_epochs": (1.0, "[0, 1e6]"),
    "fifo_capacity": (None, "integer in [1, 1e8] or null"),
    "refresh_visited": (True, [True, False]),
    "symmetrize": (True, [True, False]),
    "exclude_own_row": (True, [True, False]),
    "bandwidth": (1.5, "[1e-4, 1e4]"),
    "bandwidth_exponent": (0.2, "[0, 1]"),
    "bandwidth_floor": (1.0e-6, "[1e-9, 1e3]"),
    "prior_mass": (1.0, "[1e-9, 1e9]"),
    "prior": ("logistic", ["logistic", "zero"]),
    "clip": (1.0e-3, "[1e-6, 0.499]"),
    "logistic_blend": (0.0, "[0, 0.9]"),
}


def projected(index: Tensor, points: Tensor, bandwidth: Tensor | float) -> Tensor:
    """t with the gradient ∇t_i − Σ_j W_ij ∇t_j; its value is that of `index`.

    index: Tensor[G], nats; points: Tensor[M], the same t and whatever else is in the estimate, with
    their gradients; bandwidth h > 0 in nats.  Returns Tensor[G].
    """
    with torch.no_grad():
        weight = (-0.5 * ((index[:, None] - points) / bandwidth).square()).softmax(dim=1)
    return index - weight @ (points - points.detach())


class Objective(ospo.Objective):
    """State: that of `ospo`."""

    needs, declared = NEEDS, OPTIONS

    def loss(self, batch: base.Batch) -> Tensor:
        """The value is that of `ospo`, nats a pair; after the warm start the gradient is projected."""
        if self.steps_done >= self.warm_steps:
            index = self.projected_index(batch.index)
            batch = replace(batch, log_ratios=torch.stack([torch.zeros_like(index), index], dim=1))
        return super().loss(batch)

    def projected_index(self, index: Tensor) -> Tensor:
        """`projected` within the batch, Tensor[G]."""
        points = torch.cat([index, -index]) if self.options["symmetrize"] else index
        spread = points.detach().std(correction=0) + self.options["bandwidth_floor"]
        shrinkage = index.numel() ** -self.options["bandwidth_exponent"]
        return projected(index, points, self.options["projection_bandwidth"] * shrinkage * spread)
