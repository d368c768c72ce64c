"""One row of metrics.jsonl per optimizer step. No times in it: equal runs give equal bytes."""

import math
from typing import Any

import torch

from prefgrid.objectives.base import Batch


def preference_metrics(batch: Batch) -> dict[str, float | None]:
    """What the indices of a detached batch say about its labels; nats.

    margin: mean of (2z−1)·t. index_sd: sd of t, ddof 0. chosen/rejected_log_ratio: mean
    log-ratio of the preferred and of the other response (weighted by z where z is a probability).
    pair_accuracy: share of pairs whose t has the label's sign, ties half. All None without labels
    or with other than two responses.
    """
    names = ("margin", "index_sd", "chosen_log_ratio", "rejected_log_ratio", "pair_accuracy")
    if batch.labels is None or batch.log_ratios.shape[1] != 2:
        return dict.fromkeys(names)
    first, second = batch.log_ratios.unbind(1)
    label, index = batch.labels, batch.index
    oriented = (2 * label - 1) * index
    values = torch.stack(
        [
            oriented.mean(),
            index.std(correction=0),
            (label * second + (1 - label) * first).mean(),
            (label * first + (1 - label) * second).mean(),
            (oriented.sign() + 1).mean() / 2,
        ]
    )
    return dict(zip(names, values.tolist(), strict=True))


def step_metrics(
    step: int,
    steps_per_epoch: int,
    loss: float,
    batch: Batch,
    grad_norm: float,
    learning_rate: float,
    examples_seen: int,
) -> dict[str, Any]:
    """The row of the `step`-th step (1-based). All but grad_norm precede the step's update.

    grad_norm is None where a float16 step overflowed and was left out by the gradient scaler.
    """
    return {
        "step": step,
        "epoch": step / steps_per_epoch,
        "loss": loss,
        **preference_metrics(batch),
        "grad_norm": grad_norm if math.isfinite(grad_norm) else None,
        "learning_rate": learning_rate,
        "examples_seen": examples_seen,
    }


def progress_line(row: dict[str, Any], steps: int) -> str:
    """One line of the log."""
    accuracy = row["pair_accuracy"]
    shown = "" if accuracy is None else f"  pair accuracy {accuracy:.3f}"
    return f"step {row['step']}/{steps}  loss {row['loss']:.4f}{shown}"
