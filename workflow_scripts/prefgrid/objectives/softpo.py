"""SoftPO: Soft Policy Optimization (arXiv 2503.05453): regression on the soft value of whole responses.

The policy that maximises E[r] − β·KL(π‖π_ref) on a prompt is

    π*(a) = π_ref(a)·exp((r(a) − Q0)/β),    Q0 = β·log E_ref[exp(r/β)]

so with Δ = log π(a) − log π_ref(a), the log-ratio of a response, the one condition on a policy is

    Δ = y,    y = (r − Q̂0)/β,    on any response, whatever drew it.

In units of β, Q0/β + Δ = z is the soft value that the policy implies at the response's end. Losses
of a response, the mean of which is taken within each group and then over groups:

    squared         (Δ − y)²
    squared_clip    (max(Δ, −C) − max(y, −C))²,    C = floor_nats
    huber           (Δ − y)² up to |Δ − y| = h, then h·(2·|Δ − y| − h),    h = huber_nats
    cross_entropy   −[τ·z_c + (1 − τ)·log(1 − exp z_c)] + hinge·max(0, z)²,    τ = exp(r/β),
                    z_c = min(z, −cap_nats): exp z is a probability of success, for scores r ≤ 0
    wmle            −min(π_ref·exp(y), 1)/μ·log π: the likelihood of π*; μ drew the response

The first three are in nats², the others in nats. As in the published code, in the unit of the score:

    published_squared         (Q − r)²,    Q = clamp(Q̂0, ±10) + clamp(β·Δ, ±10)
    published_cross_entropy   −[e^r·q + (1 − e^r)·log(1 − e^q + 1e-8)],    q = min(Q, 0)

Their defects: a clamped response has no gradient; without the 1/β nearly all targets e^r are alike;
and nothing pulls down a Q above 0.

Relatives with the same fixed point: path consistency (PCL, arXiv 1702.08892) is `squared`; DRO
(arXiv 2405.19107) is it with `value: learned`, VarGrad (arXiv 2010.10436) with `value: group`.
On responses of the policy, ½·squared has the gradient of KL(π‖π*), whatever Q̂0; on others Q̂0 must
be right.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from prefgrid.limits import bounds
from prefgrid.objectives import base
from prefgrid.objectives.groups import group_mean
from prefgrid.objectives.soft_losses import CROSS_ENTROPIES, LOSSES, Scored

# `sampling_logps` are needed by `wmle` alone.
NEEDS = {"targets": "scores", "responses": None, "reference_logps": True, "coupled": False}
OPTIONS = {
    # β, in the unit of the scores: what a nat of divergence from the reference costs
    "beta": (0.01, "[1e-6, 1e6]"),
    # β at the first step, not below `beta`, to which it falls geometrically; null: β is constant
    "beta_start": (None, "[1e-6, 1e6] or null"),
    # share of all optimizer steps over which β falls
    "anneal_share": (0.5, "[1e-6, 1]"),
    "loss": (
        "cross_entropy",
        [
            "cross_entropy",
            "squared",
            "squared_clip",
            "huber",
            "wmle",
            "published_cross_entropy",
            "published_squared",
        ],
    ),
    # Q̂0 of a prompt: given with the data, for the β of the step; group: the mean of r − β·Δ over the
    # group, without gradient; learned: a running value of each prompt, which follows that mean
    "value": ("group", ["given", "group", "learned"]),
    # share of the way to the group's mean that a learned value goes at each visit of its prompt
    "value_rate": (0.1, "[1e-6, 1]"),
    # weight of max(0, z)², nats², without which nothing pulls down a soft value above 0
    "hinge": (1.0, "[0, 1e6]"),
    # z is capped at −cap_nats
    "cap_nats": (1e-4, "[1e-6, 1]"),
    # C: below it log-ratios and their targets count as equal
    "floor_nats": (10.0, "[1e-3, 1e6]"),
    # h: from it on the gradient no longer grows
    "huber_nats": (1.0, "[1e-3, 1e6]"),
}


def beta_at(step: int, steps: int, options: dict[str, Any]) -> float:
    """β of optimizer step `step` (0-based) of `steps`, in the unit of the scores.

    `options`: those of the objective; what is not set has its default. From step
    anneal_share·steps on it is `beta`.
    """
    options = bounds.split(OPTIONS)[0] | options
    beta, start = float(options["beta"]), options["beta_start"]
    fallen = step / (options["anneal_share"] * steps)
    if start is None or fallen >= 1:
        return beta
    return start * (beta / start) ** fallen


class Objective(base.Objective):
    """State: the steps done and, where values are learned, V of each prompt seen."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        beta, start = self.options["beta"], self.options["beta_start"]
        if start is not None and start < beta:
            raise ValueError(
                f"{__name__}: beta_start = {start}, below beta = {beta}, but β falls; allowed: a "
                "number from beta on, or null"
            )
        self.learned = self.options["value"] == "learned"
        self.steps_done = 0
        # Prompt id → V, in the unit of the scores.
        self.values: dict[int, float] = {}

    @property
    def beta(self) -> float:
        """β of the present step, in the unit of the scores."""
        return beta_at(self.steps_done, self.schedule.steps, self.options)

    def loss(self, batch: base.Batch) -> Tensor:
        """Mean over groups of the mean over their responses, in the unit of the chosen loss.

        Raises ValueError for a score above 0 in a cross-entropy, for a group of one response with
        `value: group`, and where `value: given` or `loss: wmle` lack their numbers.
        """
        self._refuse(batch)
        scored = Scored(
            log_ratios=batch.log_ratios,
            logp_sums=batch.logp_sums,
            scores=batch.targets,
            values=self.prompt_values(batch)[:, None],
            beta=self.beta,
            sampling_logps=batch.sampling_logps,
            options=self.options,
        )
        return group_mean(LOSSES[self.options["loss"]](scored), batch.present).mean()

    def prompt_values(self, batch: base.Batch) -> Tensor:
        """Q̂0 of each group's prompt, Tensor[G] without gradient, in the unit of the scores."""
        if self.options["value"] == "given":
            return batch.prompt_values
        means = self._implied_values(batch)
        if not self.learned:
            return means
        known = [self.values.get(prompt, math.nan) for prompt in _prompts(batch)]
        known = torch.tensor(known, dtype=means.dtype, device=means.device)
        # At its first visit a prompt has its group's mean.
        return torch.where(known.isnan(), means, known)

    def _implied_values(self, batch: base.Batch) -> Tensor:
        """Tensor[G], without gradient: mean of r − β·Δ, which is Q0 on every response of π*."""
        implied = batch.targets - self.beta * batch.log_ratios.detach()
        return group_mean(implied, batch.present)

    def _refuse(self, batch: base.Batch) -> None:
        chosen, value = self.options["loss"], self.options["value"]
        if chosen == "wmle" and batch.sampling_logps is None:
            raise ValueError(
                f"{__name__}: loss = 'wmle' needs sampling_logps, the log-probability of each "
                "response under what it was drawn from, and the training set holds none; allowed: "
                "data that hold them, or another loss"
            )
        if value == "given" and batch.prompt_values is None:
            raise ValueError(
                f"{__name__}: value = 'given' needs prompt_values, Q̂0 of each group's prompt, and "
                "the training set holds none; allowed: data that hold them, or value = 'group' or "
                "'learned'"
            )
        if chosen in CROSS_ENTROPIES and (above := batch.targets > 0).any():
            group = int(above.any(1).nonzero()[0])
            raise ValueError(
                f"{__name__}: row {int(batch.rows[group])} has the score "
                f"{batch.targets[group].max().item():g}, and loss = {chosen!r} reads e^(score) as a "
                "probability; allowed: scores up to 0, or another loss"
            )
        if value == "group" and (alone := batch.present.sum(1) < 2).any():
            raise ValueError(
                f"{__name__}: row {int(batch.rows[alone][0])} has one response, whose own r − β·Δ "
                "as value = 'group' would leave it nothing to learn; allowed: two or more responses "
                "a group, or value = 'given' or 'learned'"
            )

    def observe(self, batch: base.Batch) -> None:
        """Moves the learned values of the batch's prompts towards the means of their groups."""
        if self.learned:
            means = defaultdict(list)
            implied = self._implied_values(batch).double().tolist()
            for prompt, mean in zip(_prompts(batch), implied, strict=True):
                means[prompt].append(mean)
            for prompt, found in means.items():
                mean = sum(found) / len(found)
                known = self.values.get(prompt, mean)
                self.values[prompt] = known + self.options["value_rate"] * (mean - known)
        self.steps_done += 1

    def probability(self, index: Tensor) -> Tensor:
        """NaN: scores are no labels."""
        return torch.full_like(index, torch.nan)

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = {"steps_done": self.steps_done}
        if self.learned:
            state["prompts"] = torch.tensor(list(self.values), dtype=torch.int64)
            state["values"] = torch.tensor(list(self.values.values()), dtype=torch.float64)
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done = state["steps_done"]
        if self.learned:
            pairs = zip(state["prompts"].tolist(), state["values"].tolist(), strict=True)
            self.values = dict(pairs)


def _prompts(batch: base.Batch) -> list[int]:
    return (batch.rows if batch.prompts is None else batch.prompts).tolist()
