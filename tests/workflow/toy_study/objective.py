"""Squared error between differences of log-ratios and of scores, over any number of responses.

    L = mean over groups of Σ_k ((a_k − ā) − (r_k − r̄)/η)² / K

with a the log-ratios of a group, r its scores, and bars means over the group: the K-response form of
REBEL (Gao et al., arXiv 2404.16767).  At a = 0 the loss is the variance of r/η.
"""

from __future__ import annotations

from torch import Tensor

from prefgrid.objectives import base

NEEDS = {"targets": "scores", "responses": None, "reference_logps": True, "coupled": False}
OPTIONS = {
    # η: scores are divided by it
    "eta": (1.0, "> 0"),
}


class Objective(base.Objective):
    """Stateless."""

    needs, declared = NEEDS, OPTIONS

    def loss(self, batch: base.Batch) -> Tensor:
        """Nats², a group."""
        present = batch.present
        count = present.sum(dim=1)

        def centred(values: Tensor) -> Tensor:
            mean = (values * present).sum(dim=1) / count
            return (values - mean[:, None]) * present

        missed = centred(batch.log_ratios) - centred(batch.targets) / self.options["eta"]
        return (missed.square().sum(dim=1) / count).mean()
