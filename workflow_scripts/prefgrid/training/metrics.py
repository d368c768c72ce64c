"""One row of metrics.jsonl per optimizer step. No times in it: equal runs give equal bytes."""

from typing import Any

import torch
from torch import Tensor

from prefgrid.objectives.base import Batch

NAMES = ("margin", "index_sd", "chosen_log_ratio", "rejected_log_ratio", "pair_accuracy")


def preference_metrics(batch: Batch) -> Tensor:
    """What the indices of a detached batch say about its labels: Tensor[5] for `NAMES`, nats.

    margin: mean of (2z−1)·t. index_sd: sd of t, ddof 0. chosen/rejected_log_ratio: mean
    log-ratio of the preferred and of the other response (weighted by z where z is a probability).
    pair_accuracy: share of pairs whose t has the label's sign, ties half. Tensor[0] without labels
    or with other than two responses.
    """
    labelled = batch.targets is not None and batch.targets.dim() == 1
    if not labelled or batch.log_ratios.shape[1] != 2:
        return batch.log_ratios.new_empty(0)
    first, second = batch.log_ratios.unbind(1)
    label, index = batch.targets, batch.index
    oriented = (2 * label - 1) * index
    return torch.stack(
        [
            oriented.mean(),
            index.std(correction=0),
            (label * second + (1 - label) * first).mean(),
            (label * first + (1 - label) * second).mean(),
            (oriented.sign() + 1).mean() / 2,
        ]
    )


def step_metrics(
    step: int,
    steps_per_epoch: int,
    loss: Tensor,
    batch: Batch,
    grad_norm: Tensor,
    learning_rate: float,
    examples_seen: int,
) -> dict[str, Any]:
    """The row of the `step`-th step (1-based); `NAMES` without preferences are None.

    `loss` and `grad_norm` are scalars on the batch's device: this is the one transfer of a step to
    the CPU, and waits for the device. Its numbers may be NaN or infinite.
    `examples_seen` counts also rows that the objective does not train on, the other numbers do not.
    """
    scalars = torch.stack([loss, grad_norm])
    loss_value, norm, *values = torch.cat([scalars, preference_metrics(batch)]).tolist()
    return {
        "step": step,
        "epoch": step / steps_per_epoch,
        "loss": loss_value,
        **dict(zip(NAMES, values or [None] * len(NAMES), strict=True)),
        "grad_norm": norm,
        "learning_rate": learning_rate,
        "examples_seen": examples_seen,
    }
