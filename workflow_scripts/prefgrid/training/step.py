"""Loss and gradient of one optimizer step over its whole batch, in micro-batches."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from prefgrid.logprobs.sequence import sequence_logps
from prefgrid.logprobs.table import dataset_logps
from prefgrid.models.loading import DTYPES
from prefgrid.objectives.base import Batch, Objective
from prefgrid.training.batches import Group
from prefgrid.training.options import TrainingOptions


@dataclass
class PolicyForward:
    """Log-probabilities of training groups under the policy, as every pass of a run computes them."""

    model: Any
    groups: Sequence[Group]
    options: TrainingOptions
    pad_id: int

    def micro_batch(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """`sequence_logps` of the rows, one forward; gradients flow."""
        with self._autocast():
            return sequence_logps(self.model, *self._tokens(rows), pad_id=self.pad_id)

    def dataset(self, rows: Sequence[int]) -> Tensor:
        """float32 [len(rows), K] nats on the CPU: no gradient, no dropout."""
        with self._autocast():
            return dataset_logps(
                self.model,
                *self._tokens(rows),
                pad_id=self.pad_id,
                batch_size=self.options.micro_batch_size,
            )[0]

    def _tokens(self, rows: Sequence[int]) -> tuple[list, list]:
        groups = [self.groups[row] for row in rows]
        return [group.prompt_tokens for group in groups], [group.responses for group in groups]

    def _autocast(self) -> AbstractContextManager:
        if self.options.lora is not None or self.options.precision == "none":
            return nullcontext()
        return torch.autocast(self.model.device.type, DTYPES[self.options.precision])


class Reference(Protocol):
    """Log-probabilities of training groups under the reference, float32 nats, no gradient."""

    def micro_batch(self, rows: Sequence[int]) -> Tensor:
        """[len(rows), K] on the model's device, for one micro-batch of a step."""

    def dataset(self) -> Tensor:
        """[N, K] on the model's device, for log-probabilities by `PolicyForward.dataset`."""


def loss_and_gradient(
    forward: PolicyForward,
    objective: Objective,
    rows: Sequence[int],
    reference: Reference,
    labels: Tensor | None,
    backward: Callable[[Tensor], None],
) -> tuple[Tensor, Batch]:
    """Evaluate the loss on the whole batch and accumulate its gradient in the weights.

    A batch that fits one micro-batch is one forward and one backward; so is each micro-batch of a
    larger one, if the loss is the mean over groups. A loss that couples its groups takes two
    passes then: first every log-prob without gradient and dL/dlogp on the whole batch in float32,
    then micro-batch by micro-batch the backward of Σ dL/dlogp · logp, with the dropout of the
    first pass replayed. `backward` gets each scalar. `labels` [N] cover the training set, on the
    model's device. There is no backward of a loss that is not finite.

    Returns (loss, the batch), both detached.
    """
    size = forward.options.micro_batch_size
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    two_passes = objective.needs["coupled"] and len(parts) > 1
    device = forward.model.device

    states, batches = [], []
    total = torch.zeros((), device=device)
    for part in parts:
        reference_logps = reference.micro_batch(part)
        states.append(_random_state(device))
        with torch.set_grad_enabled(not two_passes):
            logp_sums, lengths = forward.micro_batch(part)
        batch = _batch(part, logp_sums, lengths, reference_logps, labels)
        if not two_passes:
            loss = objective.loss(batch) * (len(part) / len(rows))
            total += loss.detach()
            if torch.isfinite(total):
                backward(loss)
        batches.append(_detached(batch))
    whole = _joined(batches)
    if not two_passes:
        return total, whole

    logp_sums = whole.logp_sums.clone().requires_grad_()
    # The same numbers as `whole.log_ratios`, now as a function of the sums.
    log_ratios = whole.log_ratios + (logp_sums - whole.logp_sums)
    loss = objective.loss(replace(whole, logp_sums=logp_sums, log_ratios=log_ratios))
    if torch.isfinite(loss):
        (slopes,) = torch.autograd.grad(loss, logp_sums)
        for part, state, slope in zip(parts, states, slopes.split(size), strict=True):
            _set_random_state(device, state)
            backward((slope * forward.micro_batch(part)[0]).sum())
    return loss.detach(), whole


def _batch(
    rows: Sequence[int],
    logp_sums: Tensor,
    lengths: Tensor,
    reference_logps: Tensor,
    labels: Tensor | None,
) -> Batch:
    row_ids = torch.tensor(rows, device=logp_sums.device)
    return Batch(
        rows=row_ids,
        log_ratios=logp_sums - reference_logps,
        logp_sums=logp_sums,
        lengths=lengths,
        labels=None if labels is None else labels[row_ids],
    )


def _detached(batch: Batch) -> Batch:
    return replace(batch, log_ratios=batch.log_ratios.detach(), logp_sums=batch.logp_sums.detach())


def _joined(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    labelled = batches[0].labels is not None
    return Batch(
        rows=torch.cat([batch.rows for batch in batches]),
        log_ratios=torch.cat([batch.log_ratios for batch in batches]),
        logp_sums=torch.cat([batch.logp_sums for batch in batches]),
        lengths=torch.cat([batch.lengths for batch in batches]),
        labels=torch.cat([batch.labels for batch in batches]) if labelled else None,
    )


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_random_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
