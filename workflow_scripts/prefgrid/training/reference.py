"""The reference's log-probabilities in training, and whether the policy starts where they say.

An index is a small difference of large sums, so the reference must be rounded as the policy is. A
table made elsewhere, in other batches, is as good as that in float32; in bfloat16 it is often not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import peft
import torch
from torch import Tensor

from prefgrid.files import store
from prefgrid.models.dropout import without_dropout
from prefgrid.training.batches import Order
from prefgrid.training.forward import Forward
from prefgrid.training.step import Reference

# Above this, rounding in the cached table is no longer small beside the indices being learned.
MAX_START_SD_NATS = 0.02
# Groups whose indices are compared with the cached table before the first step.
CHECKED_GROUPS = 64


@dataclass(frozen=True)
class TableReference:
    """Looked up: `table` is float32 [N, K] nats, on the model's device."""

    table: Tensor

    def micro_batch(self, rows: Sequence[int]) -> Tensor:
        return self.table[torch.tensor(rows, device=self.table.device)]

    def dataset(self, rows: Sequence[int]) -> Tensor:
        return self.micro_batch(rows)


@dataclass
class AdapterOffReference:
    """The policy with its adapter off, in the very batches in which the policy is computed.

    Rounding is then the same on both sides and cancels. It costs a forward a micro-batch.
    """

    forward: Forward
    _dataset: tuple[Sequence[int], Tensor] = field(default=((), torch.empty(0)), init=False)

    @torch.no_grad()
    def micro_batch(self, rows: Sequence[int]) -> Tensor:
        model = self.forward.model
        with without_dropout(model), model.disable_adapter():
            return self.forward.micro_batch(rows)

    def dataset(self, rows: Sequence[int]) -> Tensor:
        if self._dataset[0] != rows:  # frozen weights in the same batches: always the same
            with self.forward.model.disable_adapter():
                self._dataset = rows, self.forward.dataset(rows)
        return self._dataset[1]


def own_table(forward: Forward, table: Tensor | None) -> Tensor | None:
    """The reference's `table` [N, K] as a full fine-tune needs it; called before its first step, and
    before a checkpoint is loaded, where it is its reference.

    The weights of a full fine-tune are float32. One that computes in less by autocast is rounded as no
    other job's model is, and has no adapter to switch off; so it makes the table anew itself.
    """
    options = forward.options
    if table is None or options.lora is not None or options.precision == "none":
        return table
    store.log("reference: computed by the policy itself, before its first step")
    return forward.dataset(range(len(table)))


def start_reference(
    forward: Forward,
    order: Order,
    steps_per_epoch: int,
    table: Tensor | None,
    adapter_off: bool | None,
) -> Reference:
    """The reference of a run: `table` [N, K] (of rows that change the forward's own), zeros without one,
    or the adapter switched off.

    `adapter_off` says which the run began with; None: a run that begins checks the table.
    """
    table = table if forward.reference_logps is None else forward.reference_logps
    if table is None:
        return TableReference(torch.zeros(forward.lengths.shape, device=forward.model.device))
    if adapter_off is not None:
        return AdapterOffReference(forward) if adapter_off else _lookup(forward, table)
    rows: list[int] = []
    for step in range(steps_per_epoch):
        if len(rows) < CHECKED_GROUPS:
            rows += order.rows(step)
    return _checked(forward, rows[:CHECKED_GROUPS], order.rows(0), table)


def _lookup(forward: Forward, table: Tensor) -> TableReference:
    return TableReference(table.to(forward.model.device))


def _checked(
    forward: Forward, rows: Sequence[int], first_batch: Sequence[int], table: Tensor
) -> Reference:
    """A lookup in `table` [N, K], or the adapter switched off where the table does not fit.

    A policy that starts at its reference has t = 0 between any two responses, so sd(t) about zero
    over `rows` measures the table's error; it is logged. If it reaches `MAX_START_SD_NATS` and the
    policy is a new adapter, the adapter switched off *is* the reference and every step computes it so;
    sd(t) is then checked again over `first_batch`, in the step's own micro-batches. A policy that
    starts elsewhere (an adapter trained before, or a full fine-tune, where nothing tells) keeps
    the table (see `own_table`). Raises RuntimeError if sd(t) is as large with the adapter off.
    """
    start = forward.dataset(rows)
    lookup = _lookup(forward, table)
    start_sd = _index_sd(forward, rows, start - lookup.micro_batch(rows))
    store.log(f"reference check: sd(t) = {start_sd:.2g} nats over {len(rows)} groups at step 0")
    if not start_sd >= MAX_START_SD_NATS:
        return lookup
    if not isinstance(forward.model, peft.PeftModel):
        store.log(
            "reference check: a full fine-tune cannot tell whether the table is rough or the policy "
            "starts elsewhere; the table is kept"
        )
        return lookup
    if not _adapter_is_new(forward, rows, start):
        store.log("reference check: the policy does not start at its reference; the table is kept")
        return lookup
    store.log(
        f"reference check: {start_sd:.2g} >= {MAX_START_SD_NATS} nats, so each step computes the "
        "reference with the adapter off"
    )
    reference = AdapterOffReference(forward)
    step_sd = _step_index_sd(forward, first_batch, reference)
    store.log(f"reference check: now sd(t) = {step_sd:.2g} nats over the first batch")
    if not step_sd < MAX_START_SD_NATS:
        raise RuntimeError(
            f"sd(t) of the first batch is {step_sd:.2g} nats although the adapter is new and the "
            f"reference is the same model with it off; allowed: below {MAX_START_SD_NATS}. The "
            "model's forward is not repeatable."
        )
    return reference


@torch.no_grad()
def _step_index_sd(forward: Forward, rows: Sequence[int], reference: AdapterOffReference) -> float:
    ratios = [torch.empty(0, forward.lengths.shape[1], device=forward.model.device)]
    for part in forward.micro_batches(rows):
        ratios.append(forward.micro_batch(part) - reference.micro_batch(part))
    return _index_sd(forward, rows, forward.processes.gather(torch.cat(ratios), len(rows)))


def _index_sd(forward: Forward, rows: Sequence[int], log_ratios: Tensor) -> float:
    """sd about zero of every t = a_k − a_0; of the log-ratio where a response is alone."""
    present = forward.lengths[torch.tensor(rows, device=forward.lengths.device)] > 0
    against_first = (log_ratios[:, 1:] - log_ratios[:, :1])[present[:, 1:]]
    alone = log_ratios[present.sum(1) == 1, 0]
    return torch.cat([against_first, alone]).square().mean().sqrt().item()


def _adapter_is_new(forward: Forward, rows: Sequence[int], start: Tensor) -> bool:
    """Whether the policy's adapter changes nothing yet."""
    model: Any = forward.model
    with model.disable_adapter():
        return torch.equal(forward.dataset(rows), start)
