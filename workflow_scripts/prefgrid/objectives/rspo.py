"""RSPO: ranking SPO (arXiv 2512.21917), a loss that needs no link.

    L = mean over ordered pairs (i, j) of softplus(−β_train · (s_i + s_j)),    s_i = (2 z_i − 1) t_i

Read example i as "positive with index s_i" and the flipped example j as "negative with index −s_j":
the margin of bipartite ranking is s_i + s_j.  The diagonal i = j contributes softplus(−2 β s_i).
The minimiser over all functions of t is β_train·t = logit P(z = 1 | t), so σ(β_train·t) is the link
that belongs to it.

The published learner pairs within micro-batches of 4 and keeps the diagonal (4 of its 16 terms):
`block_size` 4, `include_diagonal` true.  The default pairs all rows of the optimizer step with each
other and leaves out the diagonal, which ranks nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from prefgrid.objectives import base
from prefgrid.objectives.pairs import signed_margin

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": True}
OPTIONS = {
    # scale of the index in the loss
    "beta_train": (1.0, "[1e-6, 1e6]"),
    # whether a row is also paired with itself
    "include_diagonal": (False, [True, False]),
    # rows are paired within consecutive blocks of this many; null: within the whole batch
    "block_size": (None, "integer in [2, 1e6] or null"),
}


def pair_weights(
    rows: int, block_size: int | None, include_diagonal: bool, device: torch.device
) -> Tensor:
    """Weight of each ordered pair: the mean over blocks of the mean over a block's pairs.

    Returns Tensor[rows, rows] that sums to 1, or to 0 if no block has a pair (a single row without
    the diagonal).  A block without a pair does not count as a block.
    """
    block = torch.arange(rows, device=device) // (block_size or rows)
    paired = block[:, None] == block[None, :]
    if not include_diagonal:
        paired = paired & ~torch.eye(rows, dtype=torch.bool, device=device)
    partners = paired.sum(dim=1)
    # A block of b rows has b·partners pairs, and each of its rows appears first in `partners`.
    block_rows = (block[:, None] == block[None, :]).sum(dim=1)
    pairs_in_block = (block_rows * partners).clamp(min=1)
    blocks = (partners.clamp(max=1) / block_rows).sum().clamp(min=1)
    return paired / (pairs_in_block[:, None] * blocks)


class Objective(base.Objective):
    """Stateless."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.beta_train = float(self.options["beta_train"])

    def loss(self, batch: base.Batch) -> Tensor:
        """Mean over the ordered pairs, nats a pair."""
        margin = signed_margin(batch.index, batch.targets)
        weight = pair_weights(
            margin.shape[0],
            self.options["block_size"],
            self.options["include_diagonal"],
            margin.device,
        )
        return (weight * softplus(-self.beta_train * (margin[:, None] + margin[None, :]))).sum()
