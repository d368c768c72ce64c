"""OSPO: orthogonalized SPO (arXiv 2512.21917), a kernel estimate of the link at every step.

    L = mean_i −[z_i log ĝ(t_i) + (1 − z_i) log(1 − ĝ(t_i))]
    ĝ(t) = Σ_j w_j z_j / Σ_j w_j,    w_j = exp(−½ ((t − t_j)/h)²),    h = c·m^(−p)·sd(t_memory)

over a memory {(t_j, z_j)} of m rows whose t_j carry no gradient.  So the step is plug-in: the
projection ∇t − E[∇t | t] that makes the estimator orthogonal (Klein & Spady 1993) would need the
gradient of the neighbours too, in the published code as well.

Defaults correct the published learner: DPO as warm start, a memory with one slot for each training
row (all refreshed when an epoch begins, a row's own when it is visited), each pair added flipped so
that ĝ(−t) = 1 − ĝ(t), a row's own entries left out of its estimate, h shrinking with m, and
σ(β_train·t) where there is no mass.  m counts rows, not flipped copies, which are no new
observations; the sd is that of all points used.  The published learner is a set of option values.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from prefgrid.limits import lengths
from prefgrid.objectives import base
from prefgrid.objectives.kernel import nadaraya_watson
from prefgrid.objectives.pairs import bernoulli_nll, covariance_sign, signed_margin, with_flipped

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
OPTIONS = {
    # scale of the index in the warm start, the prior and the logistic blend
    "beta_train": (1.0, "[1e-6, 1e6]"),
    # epochs of DPO before the kernel estimate is used
    "warm_start_epochs": (1.0, "[0, 1e6]"),
    # null: one slot for each training row, refreshed; a number: a first-in-first-out memory of that
    # many entries, filled after each step and never recomputed
    "fifo_capacity": (None, "integer in [1, 1e8] or null"),
    # write a visited row's new t into its slot; false: slots change only when an epoch begins
    # (a first-in-first-out memory has no slots)
    "refresh_visited": (True, [True, False]),
    # add each pair flipped to the memory
    "symmetrize": (True, [True, False]),
    # leave a row's own entries out of its estimate
    "exclude_own_row": (True, [True, False]),
    # c in h = c · m^(−exponent) · (sd + floor)
    "bandwidth": (1.5, "[1e-4, 1e4]"),
    # exponent of the number of rows in the memory
    "bandwidth_exponent": (0.2, "[0, 1]"),
    # added to sd(t), nats; sd is 0 where training starts
    "bandwidth_floor": (1.0e-6, "[1e-9, 1e3]"),
    # mass of the prior, in points at distance 0; without any, ĝ is nothing where no point is near
    "prior_mass": (1.0, "[1e-9, 1e9]"),
    # value of the prior: logistic (σ(β_train·t)) | zero
    "prior": ("logistic", ["logistic", "zero"]),
    # the kernel estimate is clipped to [clip, 1 − clip]; what of it the blend below leaves keeps ĝ
    # from 0 and 1 in float32
    "clip": (1.0e-3, "[1e-6, 0.499]"),
    # ĝ = (1 − blend)·estimate + blend·σ(β_train·t)
    "logistic_blend": (0.0, "[0, 0.9]"),
}
# rows of the kernel matrix made at once when a link is tabulated
TABULATED_ROWS = 1024


class Objective(base.Objective):
    """State: the memory (t, z and row id of each slot; row −1: empty), counters and ζ."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.beta_train = float(self.options["beta_train"])
        self.warm_steps = lengths.warm_start_steps(
            self.options["warm_start_epochs"], schedule.steps_per_epoch
        )
        self.bandwidth = float(self.options["bandwidth"])
        self.clip = float(self.options["clip"])
        self.blend = float(self.options["logistic_blend"])
        self.logistic_prior = self.options["prior"] == "logistic"
        self.fifo = self.options["fifo_capacity"] is not None
        slots = self.options["fifo_capacity"] if self.fifo else schedule.rows
        self.index = torch.zeros(slots)
        self.labels = torch.zeros(slots)
        self.rows = torch.full((slots,), -1)
        self.entries_seen = 0
        self.steps_done = 0
        self.zeta = 1

    def loss(self, batch: base.Batch) -> Tensor:
        """Mean negative log-likelihood of the batch, nats a pair; DPO's in the warm start."""
        if self.steps_done < self.warm_steps:
            return softplus(-self.beta_train * signed_margin(batch.index, batch.targets)).mean()
        rows = batch.rows if self.options["exclude_own_row"] else None
        return bernoulli_nll(self.link(batch.index, rows), batch.targets).mean()

    def link(self, index: Tensor, rows: Tensor | None) -> Tensor:
        """ĝ(t), Tensor[G]; entries of `rows` (LongTensor[G], None: of no row) are left out."""
        self.move_to(index.device)
        logistic = torch.sigmoid(self.beta_train * index)
        filled = min(self.entries_seen, self.rows.numel())
        if not filled:
            estimate = torch.full_like(index, 0.5)
        else:
            points, values = self.index[:filled], self.labels[:filled]
            if self.options["symmetrize"]:
                points, values = with_flipped(points, values)
            spread = points.std(correction=0) + self.options["bandwidth_floor"]
            estimate = nadaraya_watson(
                index,
                points,
                values,
                self.bandwidth * filled ** -self.options["bandwidth_exponent"] * spread,
                prior_value=logistic if self.logistic_prior else 0.0,
                prior_mass=self.options["prior_mass"],
                excluded=None if rows is None else self.own_entries(rows, filled),
            ).clamp(self.clip, 1 - self.clip)
        return torch.lerp(estimate, logistic, self.blend)

    def own_entries(self, rows: Tensor, filled: int) -> tuple[Tensor, Tensor]:
        """Which points are the queries' own: positions in `rows` and in the points, LongTensor[E].

        The points are the `filled` first slots of the memory, then their flipped copies if any.
        """
        if self.fifo:
            query, slot = (rows[:, None] == self.rows[:filled]).nonzero(as_tuple=True)
        else:
            query, slot = torch.arange(rows.numel(), device=rows.device), rows
        if self.options["symmetrize"]:
            return query.repeat(2), torch.cat([slot, slot + filled])
        return query, slot

    def wanted_rows(self, step: int) -> Tensor | None:
        """All: at the end of the warm start, when an epoch after it begins, and after training."""
        begins = step == self.warm_steps or step % self.schedule.steps_per_epoch == 0
        refreshes = begins and step >= self.warm_steps and not self.fifo
        return (
            torch.arange(self.schedule.rows) if refreshes or step == self.schedule.steps else None
        )

    def update(self, step: int, log_ratios: Tensor, targets: Tensor) -> None:
        """Refreshes the memory of all rows."""
        self.refresh(base.pair_index(log_ratios), targets)

    def refresh(self, index: Tensor, labels: Tensor) -> None:
        """One slot for each row: t and z, Tensor[N], of all training rows."""
        self.index = index.detach().float().clone()
        self.labels = labels.float().clone()
        self.rows = torch.arange(index.numel(), device=index.device)
        self.entries_seen = index.numel()

    def observe(self, batch: base.Batch) -> None:
        """Writes the batch's t into the memory."""
        self.steps_done += 1
        self.move_to(batch.index.device)
        if self.fifo:
            self.append(batch)
        elif self.entries_seen and self.options["refresh_visited"]:
            self.index[batch.rows] = batch.index.detach().float()

    def append(self, batch: base.Batch) -> None:
        """The newest entries replace the oldest."""
        kept = min(batch.rows.numel(), self.rows.numel())
        self.entries_seen += batch.rows.numel()
        slots = torch.arange(self.entries_seen - kept, self.entries_seen, device=self.rows.device)
        slots = slots % self.rows.numel()
        self.index[slots] = batch.index[-kept:].detach().float()
        self.labels[slots] = batch.targets[-kept:].float()
        self.rows[slots] = batch.rows[-kept:]

    def finish(self, log_ratios: Tensor, targets: Tensor) -> None:
        """ζ from the covariance of t and z; a memory of all rows takes the final t."""
        index, labels = base.pair_index(log_ratios), targets
        if not self.fifo:
            self.refresh(index, labels)
        if self.options["symmetrize"]:
            index, labels = with_flipped(index, labels)
        self.zeta = covariance_sign(index, labels)

    def sign(self) -> int:
        return self.zeta

    def probability(self, index: Tensor) -> Tensor:
        """ĝ(t) from the whole memory, no row left out; σ(β_train·t) in the warm start."""
        if self.steps_done < self.warm_steps:
            return torch.sigmoid(self.beta_train * index)
        return torch.cat([self.link(chunk, None) for chunk in index.split(TABULATED_ROWS)])

    def move_to(self, device: torch.device) -> None:
        """Puts the memory on the device of the indices; nothing happens if it is there."""
        self.index = self.index.to(device)
        self.labels = self.labels.to(device)
        self.rows = self.rows.to(device)

    def state_dict(self) -> dict[str, Any]:
        return {
            "index": self.index.clone(),
            "labels": self.labels.clone(),
            "rows": self.rows.clone(),
            "entries_seen": self.entries_seen,
            "steps_done": self.steps_done,
            "zeta": self.zeta,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.index = state["index"].clone()
        self.labels = state["labels"].clone()
        self.rows = state["rows"].clone()
        self.entries_seen = state["entries_seen"]
        self.steps_done = state["steps_done"]
        self.zeta = state["zeta"]
