"""What a run says when it cannot go on."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prefgrid import store
from prefgrid.objectives.base import Batch
from prefgrid.training.batches import Group
from prefgrid.training.options import TrainingOptions


def stop_non_finite(
    path: Path | str, what: str, step: int, batch: Batch, groups: Sequence[Group]
) -> None:
    """Write the step's batch to `path` (JSON) and raise FloatingPointError naming it."""
    rows = batch.rows.tolist()
    store.write_json(
        path,
        {
            "what": what,
            "step": step,
            "groups": [
                {
                    "row": row,
                    "label": groups[row].label,
                    "prompt_tokens": list(groups[row].prompt_tokens),
                    "responses": [list(response) for response in groups[row].responses],
                    "logp_sums": _readable(logp_sums),
                    "log_ratios": _readable(log_ratios),
                }
                for row, logp_sums, log_ratios in zip(
                    rows, batch.logp_sums, batch.log_ratios, strict=True
                )
            ],
        },
    )
    raise FloatingPointError(
        f"{what} is not finite at step {step}; its batch of {len(rows)} groups is in {path}. "
        "A lower learning_rate, a smaller max_grad_norm or precision: none may help."
    )


def _readable(values: Tensor) -> list[Any]:
    """Numbers, with NaN and infinities as text, which JSON has no numbers for."""
    return [value if math.isfinite(value) else str(value) for value in values.tolist()]


@contextmanager
def explained_out_of_memory(
    options: TrainingOptions, token_budget: int | None, longest: int
) -> Iterator[None]:
    """Turn an allocator's error into one that says what to lower."""
    try:
        yield
    except RuntimeError as error:
        cpu = "can't allocate memory" in str(error)
        if not isinstance(error, torch.OutOfMemoryError) and not cpu:
            raise
        raise RuntimeError(
            f"out of memory while training: lower micro_batch_size (now "
            f"{options.micro_batch_size}; results stay the same), the token budget of a forward "
            f"(now {token_budget}), or max_prompt_tokens and max_response_tokens (the longest row "
            f"has {longest} tokens)"
        ) from error
