"""The learned link as a table, so that evaluation and figures need no objective."""

from typing import Any

import torch
from torch import Tensor

from prefgrid.objectives.base import Objective

POINTS = 401
# Outliers beyond this share of the training indices do not stretch the grid.
SHARE = 0.999


def link_table(objective: Objective, index: Tensor | None) -> dict[str, Any]:
    """{"sign": ±1, "index_nats": [...], "probability": [...]} of a trained objective.

    `probability` is None for an objective without a link: one that does not learn from pairs, which
    has no `index`, or whose `probability` is NaN everywhere.

    The grid is even and symmetric about zero, out to the `SHARE` quantile of |t| over the final
    training indices `index` [N] (nats, NaN where not known), since a pair may come in either order.
    """
    if index is None:
        return {"sign": objective.sign(), "index_nats": [0.0], "probability": None}
    reach = torch.nanquantile(index.abs().double(), SHARE).item()
    grid = torch.linspace(-reach, reach, POINTS)
    probability = objective.probability(grid)
    return {
        "sign": objective.sign(),
        "index_nats": grid.tolist(),
        "probability": None if probability.isnan().all() else probability.tolist(),
    }
