"""SPPO on what one response of a pair is to the other, and not to the policy (`sppo_single` of its code).

    L = mean over pairs of ½·[(a_w − η·(p − ½))² + (a_l + η·(p − ½))²],    p = P(y_w ≻ y_l)

Each response has its own P here, the other's 1 − P: `sppo` with those in the place of P̂ and b = η/2.
"""

from __future__ import annotations

from torch import Tensor

from prefgrid.objectives import base
from prefgrid.objectives.log_ratio_regression import Regression

NEEDS = {
    "targets": "pair_probabilities",
    "responses": 2,
    "reference_logps": True,
    "coupled": False,
}
OPTIONS = {
    # η = 1/β, nats: how far a probability of 1 is from one of 0; published: 1000
    "eta": (8.0, "[1e-6, 1e6]"),
    # native: as published, nats²; beta2: times β²
    "scale": ("beta2", ["beta2", "native"]),
    # γ: the log-ratio is divided by the response's length to it; 0: not
    "length_power": (0.0, "[0, 2]"),
}


class Objective(Regression):
    needs, declared = NEEDS, OPTIONS

    def worths(self, batch: base.Batch) -> Tensor:
        """η·P."""
        return self.eta * batch.targets
