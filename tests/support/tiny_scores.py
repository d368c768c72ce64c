"""A loss on scores of any number of responses, as a user's own would be, for the tests beside it."""

import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from tiny_policy import logps_of, random_groups

from prefgrid.objectives import base
from prefgrid.training.batches import Group

NEEDS = {
    "targets": "scores",
    "responses": None,
    "reference_logps": True,
    "coupled": False,
    "sampling_logps": True,
}
OPTIONS = {"beta_train": (0.5, "> 0"), "ceiling": (1.5, "> 0")}


class Objective(base.Objective):
    """L = mean over groups of the mean over their responses of min(ρ, ceiling)·(β·a − score − m)²,
    with a the log-ratio, ρ = π/μ for μ that drew the response, and m the mean of β·a over all
    responses of the rows 0 to 4 when the epoch began (0 in the first).
    """

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options, schedule):
        super().__init__(options, schedule)
        self.mean = torch.zeros(())
        self.seen = []

    def loss(self, batch):
        importance = (batch.logp_sums - batch.sampling_logps).exp()
        importance = importance.clamp(max=self.options["ceiling"])
        missed = self.options["beta_train"] * batch.log_ratios - batch.targets - self.mean
        terms = torch.where(batch.present, importance * missed.square(), 0.0)
        return (terms.sum(1) / batch.present.sum(1)).mean()

    def wanted_rows(self, step):
        begins = step and step % self.schedule.steps_per_epoch == 0
        return torch.arange(5) if begins or step == self.schedule.steps else None

    def update(self, step, log_ratios, targets):
        self.seen.append((log_ratios, targets))
        # A response without any score of its own is none here: scores are never exactly 0.
        present = (targets != 0) & ~log_ratios.isnan()
        total = torch.where(present, log_ratios, 0.0).sum()
        self.mean = self.options["beta_train"] * total / present.sum()

    def finish(self, log_ratios, targets):
        self.update(self.schedule.steps, log_ratios, targets)

    def state_dict(self):
        return {"mean": self.mean.clone()}

    def load_state_dict(self, state):
        self.mean = state["mean"]


def scored_groups(model, counts: Sequence[int], seed: int = 0) -> list[Group]:
    """Groups of `counts` responses with scores around 0, drawn from what is almost `model`."""
    draw = random.Random(seed)
    groups = [
        replace(group, responses=group.responses[:count])
        for count, group in zip(
            counts, random_groups(len(counts), responses=max(counts), labels=False), strict=True
        )
    ]
    return [
        replace(
            group,
            target=[draw.uniform(-1, 1) for _ in group.responses],
            sampling_logps=[logp.item() + draw.uniform(-0.5, 0.5) for logp in logps],
        )
        for group, logps in zip(
            groups, (logps_of(model, [group])[0] for group in groups), strict=True
        )
    ]
