"""Regression of log-ratios on what a step of multiplicative weights makes of them: `sppo`, `gpo`, and kin.

The policy after a step of size η from π_ref, with v the worth of a response against its opponent, is

    π*(y) = π_ref(y)·exp(η·v(y))/Z,    Z = E_ref[exp(η·v)],    so with a = log π(y) − log π_ref(y)
    a = η·v − b,    b = log Z

(Wu et al., arXiv 2405.00675, section 4; equation 4.7 is the loss with b = η/2). The loss of a group is the mean over its responses

    mean_i (a_i/|y_i|^γ − η·v_i + b)²

and that of a batch the mean over its groups: the published ½·[(…)² + (…)²] of a pair is this with K = 2.
b, nats, by the baseline:

    a constant    as published: η/2 for probabilities, 0 for scores
    log_z         log mean_k exp(η·v_k) over the group: its soft policy then has no loss
    mean          η·mean_k v_k over the group
    difference    none: the mean over the pairs of a group of ½·[(a_i − a_j)/… − η·(v_i − v_j)]², which any b
                  cancels in.  REBEL (arXiv 2404.16767) and INPO (arXiv 2407.00617) are this with K = 2,
                  but for a constant factor.

η is 1/β.  `scale: native` is the loss so, in nats²; `beta2` is it times β², in the unit of v²: the same
minimiser, but a gradient that clipping to a norm of 1 does not always reach.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from prefgrid.objectives import base
from prefgrid.objectives.groups import group_log_mean_exp, group_mean, group_variance


class Regression(base.Objective):
    """Stateless. Options: eta, scale, length_power, and of some baseline.

    weight: factor of the loss. constants: b/η of the baselines that are numbers, in the unit of v.
    """

    weight = 1.0
    constants: dict[str, float] = {"half": 0.5, "zero": 0.0}

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.eta = float(self.options["eta"])
        self.length_power = float(self.options["length_power"])
        self.baseline = self.options.get("baseline", "half")

    @abstractmethod
    def worths(self, batch: base.Batch) -> Tensor:
        """η·v of each response, Tensor[G, K] without gradient, nats."""

    def loss(self, batch: base.Batch) -> Tensor:
        """Mean over groups, in nats², or with `scale: beta2` times β².

        ValueError naming a row of one response with `baseline: difference`.
        """
        present, worths = batch.present, self.worths(batch)
        lengths = batch.lengths.clamp(min=1).to(batch.log_ratios.dtype)
        residuals = batch.log_ratios / lengths**self.length_power - worths
        if self.baseline == "difference":
            self._refuse_alone(batch)
            groups = group_variance(residuals, present)
        else:
            residuals = residuals + self._baseline(worths, present)
            groups = group_mean(residuals.square(), present)
        factor = self.eta**-2 if self.options["scale"] == "beta2" else 1.0
        return self.weight * factor * groups.mean()

    def _baseline(self, worths: Tensor, present: Tensor) -> Tensor | float:
        """b of each group, Tensor[G, 1], or of all, nats."""
        if self.baseline == "log_z":
            return group_log_mean_exp(worths, present)[:, None]
        if self.baseline == "mean":
            return group_mean(worths, present)[:, None]
        return self.eta * self.constants[self.baseline]

    def _refuse_alone(self, batch: base.Batch) -> None:
        alone = batch.present.sum(1) < 2
        if alone.any():
            raise ValueError(
                f"{type(self).__module__}: row {int(batch.rows[alone][0])} has one response, and baseline = "
                "'difference' compares responses; allowed: two or more responses a group, or another baseline"
            )

    def probability(self, index: Tensor) -> Tensor:
        """NaN: numbers of responses are no labels."""
        return torch.full_like(index, torch.nan)
