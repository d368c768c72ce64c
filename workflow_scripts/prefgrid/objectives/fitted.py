"""What objectives with a fitted link share: a warm start, rows that only the link sees, and when it is fitted.

L = mean over the trained rows of −log ψ̂(t) of the label, with a link ψ̂ that is constant between fits. Before
the first fit it is σ(β_train·t), so the loss is DPO's: at t ≡ 0 there is nothing to fit. Options of that name
mean: `beta_train`, the scale of t in the warm start; `warm_start_epochs`; `link_share`, the share of
the rows that the link is fitted to and the policy is not trained on, so that their indices have not been
fitted to the noise of their labels (0: all rows are both); `refit_every_epochs` or, where not null,
`refit_every_steps`, between fits.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from prefgrid import seeding
from prefgrid.limits import lengths
from prefgrid.objectives import base
from prefgrid.objectives.pairs import signed_margin


class FittedLink(base.Objective):
    """Subclasses define `fitted`, `nll` and `fit`, and `move_to` for tensors of their own."""

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.beta_train = float(self.options["beta_train"])
        self.warm_steps = lengths.warm_start_steps(
            self.options["warm_start_epochs"], schedule.steps_per_epoch
        )
        self.refit_every = float(
            self.options.get("refit_every_steps")
            or self.options["refit_every_epochs"] * schedule.steps_per_epoch
        )
        # One row at least is trained on.
        held_out = min(round(self.options["link_share"] * schedule.rows), schedule.rows - 1)
        # The name is PSPO's, and its draws are everybody's: so objectives differ by their link alone.
        order = seeding.stream(schedule.seed, "pspo link rows").permutation(schedule.rows)
        # weight of each row's loss: 0 for link rows, and mean 1 over all rows
        self.row_weight = torch.ones(schedule.rows)
        self.link_rows = torch.arange(schedule.rows)
        self.untrained: frozenset[int] = frozenset()
        if held_out:
            self.link_rows = torch.as_tensor(order[:held_out]).sort().values
            self.untrained = frozenset(self.link_rows.tolist())
            self.row_weight[self.link_rows] = 0.0
            self.row_weight *= schedule.rows / (schedule.rows - held_out)

    @property
    @abstractmethod
    def fitted(self) -> bool:
        """Whether there is a fitted link yet."""

    @abstractmethod
    def nll(self, index: Tensor, labels: Tensor) -> Tensor:
        """Negative log-likelihood of each label under the fitted link, nats; Tensor[G]."""

    @abstractmethod
    def fit(self, index: Tensor, labels: Tensor) -> None:
        """Fits the link to link rows: t (nats, float32, without gradient) and labels, both Tensor[L]."""

    def trained_rows(self, rows: Sequence[int]) -> Sequence[int]:
        """All but the link rows; all of a step that has no others, whose gradient is then 0."""
        return [row for row in rows if row not in self.untrained] or rows

    def loss(self, batch: base.Batch) -> Tensor:
        """Mean over the step's rows of row weight × negative log-likelihood, nats a pair."""
        self.move_to(batch.index.device)
        weight = self.row_weight[batch.rows]
        if self.fitted:
            nll = self.nll(batch.index, batch.targets)
        else:
            nll = softplus(-self.beta_train * signed_margin(batch.index, batch.targets))
        return (weight * nll).mean() * batch.share

    def wanted_rows(self, step: int) -> Tensor | None:
        """The link rows: at the end of the warm start, then at the first step ≥ each multiple of
        the period, and after training."""
        since = step - self.warm_steps
        fits = since == 0 or step == self.schedule.steps
        if since > 0:
            fits |= math.floor(since / self.refit_every) > math.floor(
                (since - 1) / self.refit_every
            )
        return self.link_rows if fits else None

    def update(self, step: int, log_ratios: Tensor, targets: Tensor) -> None:
        """Fits the link to the link rows."""
        index = base.pair_index(log_ratios)
        self.move_to(index.device)
        index = index.detach().float()[self.link_rows]
        self.fit(index, targets.float()[self.link_rows])

    def finish(self, log_ratios: Tensor, targets: Tensor) -> None:
        """Fits the link to the finished policy, unless training never left the warm start."""
        if self.fitted:
            self.update(self.schedule.steps, log_ratios, targets)

    def move_to(self, device: torch.device) -> None:
        """Puts what the loss needs on the device of the indices; nothing happens if it is there."""
        self.row_weight = self.row_weight.to(device)
        self.link_rows = self.link_rows.to(device)
