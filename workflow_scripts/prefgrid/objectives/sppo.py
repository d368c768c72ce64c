"""SPPO: Self-Play Preference Optimization (Wu et al., arXiv 2405.00675, equation 4.7), on K responses.

    L = mean over groups of mean_i (a_i/|y_i|^γ − η·P̂_i + b)²

with a the log-ratio of a response and P̂ its probability of winning against the opponent, by default the
policy's own K responses.  `log_ratio_regression` has the baselines b; published is b = η/2 on a pair.
"""

from __future__ import annotations

from torch import Tensor

from prefgrid.objectives import base
from prefgrid.objectives.log_ratio_regression import Regression

NEEDS = {
    "targets": "win_probabilities",
    "responses": None,
    "reference_logps": True,
    "coupled": False,
}
OPTIONS = {
    # η = 1/β, nats: how far a win probability of 1 is from one of 0; published: 1000
    "eta": (8.0, "[1e-6, 1e6]"),
    # what stands for log Z; see log_ratio_regression
    "baseline": ("half", ["half", "log_z", "mean", "difference"]),
    # native: as published, nats²; beta2: times β²
    "scale": ("beta2", ["beta2", "native"]),
    # γ: the log-ratio is divided by the response's length to it; 0: not
    "length_power": (0.0, "[0, 2]"),
}


class Objective(Regression):
    needs, declared = NEEDS, OPTIONS

    def worths(self, batch: base.Batch) -> Tensor:
        """η·P̂."""
        return self.eta * batch.targets
