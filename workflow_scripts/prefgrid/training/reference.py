"""Does the policy start where the cached reference log-probabilities say it does?"""

from typing import Any

import peft
import torch
from torch import Tensor

from prefgrid import store
from prefgrid.training.step import PolicyForward

# Above this, rounding in the cached table is no longer small beside the indices being learned.
MAX_START_SD_NATS = 0.02


def checked_reference(forward: PolicyForward, rows: list[int], reference_logps: Tensor) -> Tensor:
    """`reference_logps` [N, K], or a recomputed table where the cached one does not fit.

    A policy that starts at its reference has t = 0 on every pair, so sd(t) about zero over `rows`
    measures the table's error; it is logged. If it reaches `MAX_START_SD_NATS` and the policy is a
    new adapter, the adapter switched off *is* the reference and the table is recomputed that way
    by the code that trains. A policy that starts elsewhere (an adapter trained before, or a full
    fine-tune, where nothing tells) keeps the cached table.
    """
    start = forward.dataset(rows)
    start_sd = _index_sd(start, reference_logps[rows])
    store.log(f"reference check: sd(t) = {start_sd:.2g} nats over {len(rows)} groups at step 0")
    if not start_sd >= MAX_START_SD_NATS:
        return reference_logps
    if not _adapter_is_new(forward, rows, start):
        store.log("reference check: the policy does not start at its reference; the table is kept")
        return reference_logps
    store.log(
        f"reference check: {start_sd:.2g} >= {MAX_START_SD_NATS} nats, recomputing the reference "
        "log-probabilities with the adapter off"
    )
    with forward.model.disable_adapter():
        recomputed = forward.dataset(range(len(forward.groups)))
    store.log(f"reference check: now sd(t) = {_index_sd(start, recomputed[rows]):.2g} nats")
    return recomputed


def _index_sd(policy: Tensor, reference: Tensor) -> float:
    ratios = policy - reference
    return (ratios[:, 1:] - ratios[:, :1]).square().mean().sqrt().item()


def _adapter_is_new(forward: PolicyForward, rows: list[int], start: Tensor) -> bool:
    """Whether the policy is an adapter that changes nothing yet."""
    model: Any = forward.model
    if not isinstance(model, peft.PeftModel):
        return False
    with model.disable_adapter():
        return torch.equal(forward.dataset(rows), start)
