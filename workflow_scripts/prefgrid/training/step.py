"""Loss and gradient of one optimizer step over its whole batch, in micro-batches."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefgrid.logprobs.sequence import sequence_logps
from prefgrid.logprobs.table import dataset_logps
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
    token_budget: int | None

    def micro_batch(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """`sequence_logps` of the rows, one forward up to the token budget; gradients flow."""
        with self._autocast():
            return sequence_logps(
                self.model, *self._tokens(rows), pad_id=self.pad_id, token_budget=self.token_budget
            )

    def dataset(self, rows: Sequence[int]) -> Tensor:
        """float32 [len(rows), K] nats on the CPU: no gradient, no dropout."""
        with self._autocast():
            return dataset_logps(
                self.model,
                *self._tokens(rows),
                pad_id=self.pad_id,
                batch_size=self.options.micro_batch_size,
                token_budget=self.token_budget,
            )[0]

    def _tokens(self, rows: Sequence[int]) -> tuple[list, list]:
        groups = [self.groups[row] for row in rows]
        return [group.prompt_tokens for group in groups], [group.responses for group in groups]

    def _autocast(self) -> AbstractContextManager:
        if self.options.lora is not None or self.options.precision == "none":
            return nullcontext()
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[self.options.precision]
        return torch.autocast(self.model.device.type, dtype)


def loss_and_gradient(
    forward: PolicyForward,
    objective: Objective,
    rows: Sequence[int],
    reference_logps: Tensor,
    labels: Tensor | None,
    backward: Callable[[Tensor], None],
) -> tuple[Tensor, Batch]:
    """Evaluate the loss on the whole batch and accumulate its gradient in the weights.

    A batch that fits one micro-batch is one forward and one backward. A larger one takes two
    passes, so that a loss that couples its groups needs no special case: first every log-prob
    without gradient and dL/dlogp on the whole batch in float32, then micro-batch by micro-batch
    the backward of Σ dL/dlogp · logp, with the dropout of the first pass replayed. `backward` gets
    each scalar. `reference_logps` [N, K] and `labels` [N] cover the training set, on the model's
    device. A loss that is not finite is returned without a backward pass.

    Returns (loss, the batch), both detached.
    """
    size = forward.options.micro_batch_size
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    one_pass = len(parts) == 1
    device = forward.model.device

    states = []
    sums, lengths = [], []
    with torch.set_grad_enabled(one_pass):
        for part in parts:
            states.append(_random_state(device))
            part_sums, part_lengths = forward.micro_batch(part)
            sums.append(part_sums)
            lengths.append(part_lengths)
    logp_sums = sums[0] if one_pass else torch.cat(sums).requires_grad_()

    row_ids = torch.tensor(rows, device=device)
    batch = Batch(
        rows=row_ids,
        log_ratios=logp_sums - reference_logps[row_ids],
        logp_sums=logp_sums,
        lengths=torch.cat(lengths),
        labels=None if labels is None else labels[row_ids],
    )
    loss = objective.loss(batch)
    if torch.isfinite(loss):
        if one_pass:
            backward(loss)
        else:
            (slopes,) = torch.autograd.grad(loss, logp_sums)
            for part, state, slope in zip(parts, states, slopes.split(size), strict=True):
                _set_random_state(device, state)
                backward((slope * forward.micro_batch(part)[0]).sum())
    return loss.detach(), Batch(
        rows=batch.rows,
        log_ratios=batch.log_ratios.detach(),
        logp_sums=batch.logp_sums.detach(),
        lengths=batch.lengths,
        labels=batch.labels,
    )


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_random_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
