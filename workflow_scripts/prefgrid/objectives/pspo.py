"""PSPO: profiled SPO (arXiv 2512.21917), a monotone link fitted in turns with the policy.

    L = mean_i −[z_i log ψ̂(t_i) + (1 − z_i) log(1 − ψ̂(t_i))]

ψ̂ is an isotonic regression of the labels on the index (`isotonic`), made differentiable by one of
`smoothers`; warm start, link rows and refits are those of `fitted`.  After the warm start β_train acts
through the logistic blend alone.

Defaults correct the published learner: warm start (at t ≡ 0 there is nothing to fit), each pair
added flipped so that ψ̂(−t) = 1 − ψ̂(t), ties pooled, jumps smoothed on the scale of sd(t), and the
link fitted on rows that the policy is not trained on, whose indices have not been fitted to the
noise of their labels.  The published learner is a set of option values.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prefgrid.objectives import base, isotonic
from prefgrid.objectives.fitted import FittedLink
from prefgrid.objectives.pairs import bernoulli_nll, with_flipped
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


class Objective(FittedLink):
    """State: the blocks and the width of the fitted link, or nothing before the first fit."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.level_clip = float(self.options["level_clip"])
        self.clip = float(self.options["clip"])
        self.blend = float(self.options["logistic_blend"])
        self.bandwidth = float(self.options["bandwidth"])
        self.relative = self.options["bandwidth_unit"] == "sd"
        self.smoother = SMOOTHERS[self.options["smoother"]]
        self.link: dict[str, Tensor] = {}

    @property
    def fitted(self) -> bool:
        return bool(self.link)

    def nll(self, index: Tensor, labels: Tensor) -> Tensor:
        return bernoulli_nll(self.probability(index), labels)

    def fit(self, index: Tensor, labels: Tensor) -> None:
        """Isotonic regression of z on t.

        A fit without a jump, or to indices that are all equal, says nothing about t and would stop
        the gradient: the link then stays as it was.
        """
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
        super().move_to(device)
        self.link = {name: tensor.to(device) for name, tensor in self.link.items()}

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.link)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.link = dict(state)
