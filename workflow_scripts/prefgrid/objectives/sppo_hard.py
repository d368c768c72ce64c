"""SPPO with hard labels (`sppo_hard` of TRL's DPO trainer): P is 1 for the preferred response, else 0.

    L = mean over pairs of (a_w − η/2)² + (a_l + η/2)²

which is twice `sppo` at P = 1, 0 and b = η/2.  Among all functions of a response the minimiser is
a = η·(p − ½) with p the probability that it is preferred, so t = η·(2p − 1), and the implied link is
linear: P(z = 1 | t) = ½ + t/(2η), cut to [0, 1].  With length_power no function of t is the link.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prefgrid.objectives import base
from prefgrid.objectives.log_ratio_regression import Regression

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
OPTIONS = {
    # η = 1/β, nats: how far the preferred response is to be from the other
    "eta": (8.0, "[1e-6, 1e6]"),
    # native: as published, nats²; beta2: times β²
    "scale": ("beta2", ["beta2", "native"]),
    # γ: the log-ratio is divided by the response's length to it; 0: not
    "length_power": (0.0, "[0, 2]"),
}


class Objective(Regression):
    needs, declared = NEEDS, OPTIONS
    weight = 2.0

    def worths(self, batch: base.Batch) -> Tensor:
        """η for the preferred response, else 0."""
        return self.eta * torch.stack([1 - batch.targets, batch.targets], dim=1)

    def probability(self, index: Tensor) -> Tensor:
        """½ + t/(2η) within [0, 1]; NaN with length_power."""
        if self.length_power:
            return super().probability(index)
        return (0.5 + index / (2 * self.eta)).clamp(0, 1)
