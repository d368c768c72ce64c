"""Loss and gradient of one optimizer step over its whole batch, in micro-batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from prefgrid.logprobs.agreement import check_log_probs
from prefgrid.logprobs.sequence import sequence_logps
from prefgrid.logprobs.table import dataset_logps
from prefgrid.objectives.base import Batch, Objective
from prefgrid.training.batches import (
    Group,
    length_table,
    prompt_table,
    sampling_table,
    target_table,
    value_table,
)
from prefgrid.training.forward import Forward
from prefgrid.training.options import TrainingOptions
from prefgrid.training.processes import Processes


@dataclass
class PolicyForward(Forward):
    """Log-probabilities of training groups under the policy, as every pass of a run computes them.

    ValueError for groups whose targets or sampling log-probabilities do not fit each other.
    """

    model: Any
    groups: Sequence[Group]
    options: TrainingOptions
    pad_id: int
    processes: Processes = Processes()

    def __post_init__(self) -> None:
        self.tabulate()
        self.place(self.model.device, self.processes)

    def tabulate(self) -> None:
        """Make the tables of the groups, on the CPU."""
        self.lengths = length_table(self.groups)
        self.targets = target_table(self.groups)
        self.sampling_logps = sampling_table(self.groups)
        self.prompt_values = value_table(self.groups)
        self.prompts = prompt_table(self.groups)

    @property
    def longest(self) -> int:
        return max(len(one.prompt_tokens) + max(map(len, one.responses)) for one in self.groups)

    def described(self, row: int) -> dict[str, Any]:
        group = self.groups[row]
        return {
            "target": group.target,
            "prompt_tokens": list(group.prompt_tokens),
            "responses": [list(response) for response in group.responses],
        }

    def check(self) -> None:
        """`check_log_probs` on the first response."""
        first = self.groups[0]
        check_log_probs(self.model, [*first.prompt_tokens, *first.responses[0]], self.pad_id)

    def micro_batch(self, rows: Sequence[int]) -> Tensor:
        """`sequence_logps` of the rows."""
        tokens, width = self._tokens(rows), self.lengths.shape[1]
        with self.autocast():
            logp_sums, _ = sequence_logps(self.model, *tokens, pad_id=self.pad_id, width=width)
        return logp_sums

    def dataset(self, rows: Sequence[int]) -> Tensor:
        """`dataset_logps` of the rows: not in their order, but with less padding."""
        own = self.processes.share(rows)
        logp_sums = torch.empty(0, self.lengths.shape[1])
        if own:
            with self.autocast():
                logp_sums, _ = dataset_logps(
                    self.model,
                    *self._tokens(own),
                    pad_id=self.pad_id,
                    batch_size=self.options.micro_batch_size,
                    width=self.lengths.shape[1],
                )
        return self.processes.gather(logp_sums.to(self.model.device), len(rows))

    def _tokens(self, rows: Sequence[int]) -> tuple[list, list]:
        groups = [self.groups[row] for row in rows]
        return [group.prompt_tokens for group in groups], [group.responses for group in groups]


class Reference(Protocol):
    """Values of training rows under the reference, float32, no gradient; log-probs in nats."""

    def micro_batch(self, rows: Sequence[int]) -> Tensor:
        """[len(rows), K] on the model's device, for one micro-batch of a step."""

    def dataset(self, rows: Sequence[int]) -> Tensor:
        """[len(rows), K] on the model's device, to go with `Forward.dataset`."""


def loss_and_gradient(
    forward: Forward,
    objective: Objective,
    rows: Sequence[int],
    reference: Reference,
    backward: Callable[[Tensor], None],
    share: float,
) -> tuple[Tensor, Batch]:
    """Evaluate the loss on the whole batch and accumulate this process's part of its gradient.

    Processes share the rows and exchange log-probabilities without gradient. So the loss L and its
    slopes dL/dlogp are those of the whole batch, in float32 and alike everywhere, and each process
    runs the backward of Σ dL/dlogp · logp over its own rows. A share that fits one micro-batch is
    one forward and one backward. With several, a loss that is the mean over groups has the backward
    of each before the next one's forward, with the slopes of its own groups; a loss that couples
    its groups takes two passes: every log-prob without gradient, then micro-batch by micro-batch
    the backward, with the dropout of the first pass replayed.

    `backward` gets each scalar; the gradients of the processes are yet to be summed. `share` of the
    step's rows are in `rows` (`Batch.share`). Nothing moves to the CPU, so the backward of a loss
    that is not finite is not held back.

    Returns (loss, the whole batch), both detached and the same in all processes.
    """
    parts = forward.micro_batches(rows)
    several, coupled = len(parts) > 1, objective.needs["coupled"]
    device = forward.model.device

    graphs, states = [], []
    # In a short batch a process may have no part.
    values = [torch.empty(0, forward.lengths.shape[1], 2, device=device)]
    for part in parts:
        reference_logps = reference.micro_batch(part)
        if several and coupled:
            states.append(_random_state(device))
        with torch.set_grad_enabled(not (several and coupled)):
            logp_sums = forward.micro_batch(part)
        known = logp_sums.detach()
        values.append(torch.stack([known, known - reference_logps], dim=2))
        if not several:
            graphs.append(logp_sums)
        elif not coupled:
            own = _batch(forward, part, values[-1], share)
            _, slopes = _loss_and_slopes(objective, own)
            backward((slopes * (len(part) / len(rows)) * logp_sums).sum())
    values = forward.processes.gather(torch.cat(values), len(rows))
    whole = _batch(forward, rows, values, share)
    loss, slopes = _loss_and_slopes(objective, whole)

    own_slopes = forward.micro_batches(slopes)
    if not several:
        for logp_sums, slope in zip(graphs, own_slopes, strict=True):
            backward((slope * logp_sums).sum())
    elif coupled:
        for part, state, slope in zip(parts, states, own_slopes, strict=True):
            _set_random_state(device, state)
            backward((slope * forward.micro_batch(part)).sum())
    return loss, whole


def _batch(forward: Forward, rows: Sequence[int], values: Tensor, share: float) -> Batch:
    """`values` [G, K, 2]: log-prob and log-ratio of each response."""
    row_ids = torch.tensor(rows, device=values.device)

    def of_rows(table: Tensor | None) -> Tensor | None:
        return None if table is None else table[row_ids]

    return Batch(
        rows=row_ids,
        log_ratios=values[..., 1],
        logp_sums=values[..., 0],
        lengths=forward.lengths[row_ids],
        targets=of_rows(forward.targets),
        share=share,
        sampling_logps=of_rows(forward.sampling_logps),
        prompt_values=of_rows(forward.prompt_values),
        prompts=of_rows(forward.prompts),
    )


def _loss_and_slopes(objective: Objective, batch: Batch) -> tuple[Tensor, Tensor]:
    """L of a detached batch and dL/dlogp [G, K], float32."""
    logp_sums = batch.logp_sums.clone().requires_grad_()
    # The same numbers as `batch.log_ratios`, now as a function of the sums.
    log_ratios = batch.log_ratios + (logp_sums - batch.logp_sums)
    loss = objective.loss(replace(batch, logp_sums=logp_sums, log_ratios=log_ratios))
    (slopes,) = torch.autograd.grad(loss, logp_sums)
    return loss.detach(), slopes


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_random_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
