"""GPO: General Preference Optimization (Zhang et al., arXiv 2410.02197), on K responses.

    L = mean over groups of mean_i (a_i/|y_i|^γ − clip(s̄_i/β, ±C) + b)²,    1/β = η

with a the log-ratio of a response and s̄ its mean preference score against the opponent, a log-odds.
`log_ratio_regression` has the baselines b, which are those of the clipped scores; published is b = 0.
γ = 1 is the paper's length-normalised LN-GPO.
"""

from __future__ import annotations

from torch import Tensor

from prefgrid.objectives import base
from prefgrid.objectives.log_ratio_regression import Regression

NEEDS = {"targets": "scores", "responses": None, "reference_logps": True, "coupled": False}
OPTIONS = {
    # η = 1/β: nats of log-ratio for a nat of preference; published: 1000
    "eta": (8.0, "[1e-6, 1e6]"),
    # what stands for log Z; see log_ratio_regression
    "baseline": ("zero", ["zero", "log_z", "mean", "difference"]),
    # native: as published, nats²; beta2: times β²
    "scale": ("beta2", ["beta2", "native"]),
    # γ: the log-ratio is divided by the response's length to it; 0: not
    "length_power": (0.0, "[0, 2]"),
    # C, which s̄/β is cut to, nats; null: not cut; released: 1000
    "clip_nats": (None, "[1e-6, 1e6] or null"),
}


class Objective(Regression):
    needs, declared = NEEDS, OPTIONS

    def worths(self, batch: base.Batch) -> Tensor:
        """clip(s̄/β, ±C)."""
        worths, limit = self.eta * batch.targets, self.options["clip_nats"]
        return worths if limit is None else worths.clamp(-limit, limit)
