"""Training of the students: the objectives that train language models, on exact log-probabilities.

The networks of all seeds are one stack, moved by one Adam (which is elementwise, so each network
goes its own way); every seed has an objective object of its own.  A student differs from a language
model in that a response is one action: length 1, against a uniform reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from prefgrid.files import store
from prefgrid.limits import lengths
from prefgrid.objectives.base import Batch, Objective, Schedule, pair_index
from prefgrid.studies.single_index import network
from prefgrid.studies.single_index.failures import stop_non_finite
from prefgrid.studies.single_index.network import Parameters
from prefgrid.studies.single_index.world import Draws

PROGRESS_LINES = 10


@dataclass(frozen=True)
class Options:
    """epochs, pairs a step (a last short batch is kept), Adam's constant learning rate, and how many
    orders of the pairs are drawn for nothing before the first epoch's."""

    epochs: int
    batch_size: int
    learning_rate: float
    discarded_orders: int = 0

    def schedule(self, rows: int, seed: int) -> Schedule:
        return Schedule(
            rows=rows,
            steps=lengths.steps(rows, self.batch_size, self.epochs, max_steps=None),
            steps_per_epoch=lengths.steps_per_epoch(rows, self.batch_size),
            seed=seed,
        )


@dataclass(frozen=True)
class Result:
    """The trained stack, and the final index t (nats) of every training pair, Tensor[S, n]."""

    student: Parameters
    index: Tensor


def train(
    draws: Draws,
    labels: Tensor,
    objectives: Sequence[Objective],
    options: Options,
    failure_path: Path,
) -> Result:
    """Train S students on their pairs; `labels` Tensor[S, n], one objective a seed.

    Raises FloatingPointError, naming seed and step, for a loss or a final index that is not finite;
    the seed's batch is then in `failure_path`.
    """
    student = {name: tensor.clone().requires_grad_() for name, tensor in draws.student.items()}
    pairs = Pairs(draws, labels)
    optimizer = torch.optim.Adam(student.values(), lr=options.learning_rate)
    generators = [torch.Generator() for _ in objectives]
    for generator, state in zip(generators, draws.generator_state, strict=True):
        generator.set_state(state.clone())  # it takes no view
        for _ in range(options.discarded_orders):
            torch.randperm(labels.shape[1], generator=generator)

    step, runs, rows = 0, *labels.shape
    for epoch in range(options.epochs):
        order = torch.stack([torch.randperm(rows, generator=one) for one in generators])
        for part in order.split(options.batch_size, dim=1):
            if objectives[0].wanted_rows(step) is not None:  # they share schedule and options
                logps = pairs.logps(student)
                for run, objective in enumerate(objectives):
                    objective.update(step, logps[run], labels[run])
            batches = pairs.batches(student, part)
            losses = torch.stack(
                [one.loss(batch) for one, batch in zip(objectives, batches, strict=True)]
            )
            if not losses.isfinite().all():
                stop_non_finite(failure_path, "the loss", step + 1, losses, objectives, batches)
            optimizer.zero_grad()
            losses.sum().backward()
            optimizer.step()
            for objective, batch in zip(objectives, batches, strict=True):
                objective.observe(_detached(batch))
            step += 1
        if (epoch + 1) % max(1, options.epochs // PROGRESS_LINES) == 0:
            store.log(
                f"epoch {epoch + 1}/{options.epochs}: mean loss of {runs} runs {losses.mean():.4f}"
            )
    logps = pairs.logps(student)
    index = pair_index(logps)
    # The last step's result has gone through no loss yet.
    if not index.isfinite().all():
        totals = index.sum(dim=1)
        stop_non_finite(failure_path, "the final index", step, totals, objectives, batches)
    if objectives[0].wanted_rows(step) is not None:
        for run, objective in enumerate(objectives):
            objective.finish(logps[run], labels[run])
    return Result({name: tensor.detach() for name, tensor in student.items()}, index)


@dataclass(frozen=True)
class Pairs:
    """The training pairs of all seeds, and what a stack of students says about them."""

    draws: Draws
    labels: Tensor

    def batches(self, student: Parameters, rows: Tensor) -> list[Batch]:
        """One batch a seed, of its own rows, LongTensor[S, B]; gradients flow."""
        runs = torch.arange(rows.shape[0])[:, None]
        policy = network.log_policy(student, self.draws.contexts[runs, rows])
        actions = self.draws.actions[runs, rows]
        logp_sums = policy.gather(2, actions)
        log_ratios = network.reference_log_ratio(policy).gather(2, actions)
        ones = torch.ones_like(logp_sums[0], dtype=torch.int64)
        labels = self.labels.gather(1, rows)
        return [
            Batch(rows=rows[run], log_ratios=ratios, logp_sums=sums, lengths=ones, targets=targets)
            for run, (ratios, sums, targets) in enumerate(
                zip(log_ratios.unbind(), logp_sums.unbind(), labels.unbind(), strict=True)
            )
        ]

    @torch.no_grad()
    def logps(self, student: Parameters) -> Tensor:
        """Of every response, Tensor[S, n, 2] nats, without gradient.

        The hooks get these for log-ratios: the uniform reference cancels in t, and would only
        round it.
        """
        return network.log_policy(student, self.draws.contexts).gather(2, self.draws.actions)


def _detached(batch: Batch) -> Batch:
    return replace(batch, log_ratios=batch.log_ratios.detach(), logp_sums=batch.logp_sums.detach())
