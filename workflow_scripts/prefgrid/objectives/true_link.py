"""The yardstick: cross-entropy under the very link that the preferences were drawn from.

    L = mean_i −log Ψ_s(a·s_i),    Ψ_s(v) = ½ σ(v − s) + ½ σ(v + s),    s_i = (2 z_i − 1) t_i

Only who made the data knows Ψ_s, so this is no method: what it earns more than DPO is what knowledge
of the link can buy. The shift s, `link_shift`, is in units of u/T, and s = 0 is the logistic link. What even
the maker of the data does not know is the scale of the index t in that unit. It is estimated as a
fitted link is (`fitted`): a is the maximum-likelihood estimate over the link rows, which the
policy is not trained on. On trained rows it would only grow, with the indices' fit to their labels.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import logsigmoid

from prefgrid.objectives import base
from prefgrid.objectives.fitted import FittedLink
from prefgrid.objectives.pairs import signed_margin

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
OPTIONS = {
    # scale of the index in the warm start
    "beta_train": (1.0, "[1e-6, 1e6]"),
    # epochs of DPO before the scale is first estimated
    "warm_start_epochs": (1.0, "[0, 1e6]"),
    # epochs between estimates
    "refit_every_epochs": (1.0, "[1e-6, 1e6]"),
    # share of the rows that only the scale sees; 0: it is estimated on the trained rows
    "link_share": (0.2, "[0, 0.9]"),
    # s, in units of u/T; null: that of the preferences, which the study fills in
    "link_shift": (None, "[0, 1e4] or null"),
}
# The estimate is sought where a·(root mean square of t) lies within these.
SMALLEST, LARGEST = 1.0e-3, 1.0e3
GRID_POINTS = 61


def log_link(scaled: Tensor, shift: float) -> Tensor:
    """log Ψ_s(v), nats, like `scaled`; sound for any v. log(1 − Ψ_s(v)) is log Ψ_s(−v)."""
    mixed = torch.logaddexp(logsigmoid(scaled - shift), logsigmoid(scaled + shift))
    return mixed - math.log(2)


def estimated_scale(margin: Tensor, shift: float) -> float | None:
    """The a in argmax of mean log Ψ_s(a·s_i); None if all margins (Tensor[L], nats) are 0."""
    # To the CPU at once: a search would wait for the device at every step.
    margins = margin.detach().cpu().double().numpy()
    size = float(np.sqrt(np.square(margins).mean()))
    if not size > 0:
        return None

    def nll(log_scale: float) -> float:
        scaled = math.exp(log_scale) / size * margins
        below, above = (-np.logaddexp(0, -(scaled + way)) for way in (-shift, shift))
        return -float(np.logaddexp(below, above).mean())

    # A link with a plateau can have several optima: the best point of a grid, then its neighbourhood.
    grid = np.linspace(math.log(SMALLEST), math.log(LARGEST), GRID_POINTS)
    best = min(range(1, GRID_POINTS - 1), key=lambda point: nll(grid[point]))
    found = minimize_scalar(nll, bounds=(grid[best - 1], grid[best + 1]), method="bounded")
    return math.exp(found.x) / size


class Objective(FittedLink):
    """State: the estimated scale, or nothing before the first estimate."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        if self.options["link_shift"] is None:
            raise ValueError(
                f"{__name__}: link_shift is null, and this study's preferences have no link that it "
                "could be filled in from; allowed: a number in [0, 1e4]"
            )
        self.shift = float(self.options["link_shift"])
        self.scale: float | None = None

    @property
    def fitted(self) -> bool:
        return self.scale is not None

    def nll(self, index: Tensor, labels: Tensor) -> Tensor:
        return -log_link(self.scale * signed_margin(index, labels), self.shift)

    def fit(self, index: Tensor, labels: Tensor) -> None:
        """Estimates the scale; it stays as it was if the indices say nothing."""
        self.scale = estimated_scale(signed_margin(index, labels), self.shift) or self.scale

    def probability(self, index: Tensor) -> Tensor:
        """Ψ_s(a·t), Tensor like `index`."""
        if not self.fitted:
            return torch.sigmoid(self.beta_train * index)
        return log_link(self.scale * index, self.shift).exp()

    def state_dict(self) -> dict[str, Tensor]:
        return {"scale": torch.tensor(self.scale, dtype=torch.float64)} if self.fitted else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.scale = state["scale"].item() if state else None
