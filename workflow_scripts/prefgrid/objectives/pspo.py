"""PSPO: profiled SPO (arXiv 2512.21917), a monotone link fitted in turns with the policy.

    L = mean_i −[z_i log ψ̂(t_i) + (1 − z_i) log(1 − ψ̂(t_i))]

ψ̂ is an isotonic regression of the labels on the index (`isotonic`), made differentiable by one of
`smoothers`, and constant between refits.  Before the first fit ψ̂ is σ(β_train·t), so the loss is
DPO's: the warm start.  After it β_train acts through the logistic blend alone.

Defaults correct the published learner: warm start (at t ≡ 0 there is nothing to fit), each pair
added flipped so that ψ̂(−t) = 1 − ψ̂(t), ties pooled, jumps smoothed on the scale of sd(t), and the
link fitted on rows that the policy is not trained on, whose indices have not been fitted to the
noise of their labels.  The published learner is a set of option values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from prefgrid import seeding
from prefgrid.limits import lengths
from prefgrid.objectives import base, isotonic
from prefgrid.objectives.pairs import bernoulli_nll, signed_margin, with_flipped
from prefgrid.objectives.smoothers import SMOOTHERS

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
OPTIONS = {
    # scale of the index in the warm start and in the logistic blend
    "beta_train": (1.0, "[1e-6, 1e6]"),
    # epochs of DPO before the first fit
    "warm_start_epochs": (1.0, "[0, 1e6]"),
    # epochs between fits
    "refit_every_epochs": (1.0, "[1e-6, 1e6]"),
    # optimizer steps between fits (2.5: after 3, 5, 8, … steps), in place of the epochs; null:
    # the epochs count
    "refit_every_steps": (None, "[1, 1e9] or null"),
    # share of the rows that only the link sees and the policy is not trained on; 0: the link is
    # fitted on the rows the policy is trained on
    "link_share": (0.2, "[0, 0.9]"),
    # add each pair flipped to the fit
    "symmetrize": (True, [True, False]),
    # rows with equal t become one weighted point; misplaced: they do, and the blocks then slip, as in
    # the published synthetic code (`isotonic.misplaced`)
    "pool_ties": (True, [True, False, "misplaced"]),
    # neighbouring blocks merge when left ≥ right + tolerance
    "merge_tolerance": (0.0, "[0, 1]"),
    # levels of the blocks are clipped to [level_clip, 1 − level_clip]
    "level_clip": (0.01, "[0, 0.499]"),
    # what makes the fitted blocks differentiable
    "smoother": ("gaussian_cdf", ["gaussian_cdf", "knot_softmax", "knot_linear"]),
    # width of the smoother, in the unit below; knot_linear has none
    "bandwidth": (0.2, "[1e-4, 1e4]"),
    # sd: standard deviations of the fitted indices | nats
    "bandwidth_unit": ("sd", ["sd", "nats"]),
    # ψ̂ = (1 − blend)·fit + blend·σ(β_train·t)
    "logistic_blend": (0.0, "[0, 1)"),
    # ψ̂ is clipped to [clip, 1 − clip] last
    "clip": (1.0e-6, "[1e-7, 0.499]"),
}


class Objective(base.Objective):
    """State: the blocks and the width of the fitted link, or nothing before the first fit."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.beta_train = float(self.options["beta_train"])
        self.warm_steps = lengths.warm_start_steps(
            self.options["warm_start_epochs"], schedule.steps_per_epoch
        )
        self.refit_every = float(
            self.options["refit_every_steps"]
            or self.options["refit_every_epochs"] * schedule.steps_per_epoch
        )
        self.level_clip = float(self.options["level_clip"])
        self.clip = float(self.options["clip"])
        self.blend = float(self.options["logistic_blend"])
        self.bandwidth = float(self.options["bandwidth"])
        self.relative = self.options["bandwidth_unit"] == "sd"
        self.smoother = SMOOTHERS[self.options["smoother"]]
        self.link: dict[str, Tensor] = {}

        # One row at least is trained on.
        held_out = min(round(self.options["link_share"] * schedule.rows), schedule.rows - 1)
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

    def trained_rows(self, rows: Sequence[int]) -> Sequence[int]:
        """All but the link rows; all of a step that has no others, whose gradient is then 0."""
        return [row for row in rows if row not in self.untrained] or rows

    def loss(self, batch: base.Batch) -> Tensor:
        """Mean over the step's rows of row weight × negative log-likelihood, nats a pair."""
        self.move_to(batch.index.device)
        weight = self.row_weight[batch.rows]
        if not self.link:
            margin = signed_margin(batch.index, batch.targets)
            return (weight * softplus(-self.beta_train * margin)).mean() * batch.share
        nll = bernoulli_nll(self.probability(batch.index), batch.targets)
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
        self.fit(base.pair_index(log_ratios), targets)

    def finish(self, log_ratios: Tensor, targets: Tensor) -> None:
        """Fits the link to the finished policy, unless training never left the warm start."""
        if self.link:
            self.fit(base.pair_index(log_ratios), targets)

    def fit(self, index: Tensor, labels: Tensor) -> None:
        """Isotonic regression of z on t over the link rows; both Tensor[N] for all rows.

        A fit without a jump, or to indices that are all equal, says nothing about t and would stop
        the gradient: the link then stays as it was.
        """
        self.move_to(index.device)
        index = index.detach().float()[self.link_rows]
        labels = labels.float()[self.link_rows]
        if self.options["symmetrize"]:
            index, labels = with_flipped(index, labels)
        blocks = isotonic.fit_blocks(
            index.cpu().numpy(),
            labels.cpu().numpy(),
            pool_ties=bool(self.options["pool_ties"]),
            merge_tolerance=self.options["merge_tolerance"],
        )
        if self.options["pool_ties"] == "misplaced":
            blocks = isotonic.misplaced(blocks, index.cpu().numpy())
        width = self.bandwidth * (index.std(correction=0) if self.relative else 1.0)
        if blocks.value.size < 2 or not width > 0:
            return
        level = blocks.value.clip(self.level_clip, 1 - self.level_clip)
        arrays = {"left": blocks.left, "right": blocks.right, "level": level, "width": width}
        self.link = {
            name: torch.as_tensor(array, dtype=torch.float32, device=index.device)
            for name, array in arrays.items()
        }

    def probability(self, index: Tensor) -> Tensor:
        """ψ̂(t), Tensor like `index`."""
        logistic = torch.sigmoid(self.beta_train * index)
        if not self.link:
            return logistic
        self.move_to(index.device)
        fitted = self.smoother(index, **self.link)
        return torch.lerp(fitted, logistic, self.blend).clamp(self.clip, 1 - self.clip)

    def move_to(self, device: torch.device) -> None:
        """Puts link and rows on the device of the indices; nothing happens if they are there."""
        self.row_weight = self.row_weight.to(device)
        self.link_rows = self.link_rows.to(device)
        self.link = {name: tensor.to(device) for name, tensor in self.link.items()}

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.link)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.link = dict(state)
