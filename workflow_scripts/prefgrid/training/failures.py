"""What a run says when it cannot go on."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from torch import Tensor

from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.objectives.base import Batch
from prefgrid.training.batches import Group
from prefgrid.training.options import TrainingOptions
from prefgrid.training.processes import Processes

ADVICE = "A lower learning_rate, a smaller max_grad_norm or precision: none may help."


def stop_non_finite(
    path: Path | str,
    what: str,
    step: int,
    batch: Batch,
    groups: Sequence[Group],
    processes: Processes,
) -> None:
    """Write the step's batch to `path` (JSON) and raise FloatingPointError naming it."""
    found = [
        _described(row, groups)
        | {"logp_sums": _readable(logp_sums), "log_ratios": _readable(log_ratios)}
        for row, logp_sums, log_ratios in zip(
            batch.rows.tolist(), batch.logp_sums, batch.log_ratios, strict=True
        )
    ]
    _write(path, {"what": what, "step": step, "groups": found}, processes)
    raise FloatingPointError(
        f"{what} is not finite at step {step}; its batch of {len(found)} groups is in {path}. "
        f"{ADVICE}"
    )


def stop_non_finite_index(
    path: Path | str,
    steps_done: int,
    rows: Sequence[int],
    index: Tensor,
    groups: Sequence[Group],
    processes: Processes,
) -> None:
    """Write the `rows` whose `index` [len(rows)] is not finite to `path` (JSON), and raise
    FloatingPointError."""
    found = [
        _described(row, groups) | {"index_nats": value}
        for row, value in zip(rows, _readable(index), strict=True)
        if isinstance(value, str)
    ]
    _write(path, {"what": "the index", "step": steps_done, "groups": found}, processes)
    raise FloatingPointError(
        f"the index of {len(found)} of {len(rows)} training rows is not finite after "
        f"{steps_done} steps; they are in {path}. {ADVICE}"
    )


def _write(path: Path | str, report: dict[str, Any], processes: Processes) -> None:
    """All processes come here with the same report; the first writes it."""
    if processes.first:
        store.write_json(path, report)
    # The launcher kills all when one ends, which must not happen before the file is there.
    processes.wait()


def _described(row: int, groups: Sequence[Group]) -> dict[str, Any]:
    return {
        "row": row,
        "label": groups[row].label,
        "prompt_tokens": list(groups[row].prompt_tokens),
        "responses": [list(response) for response in groups[row].responses],
    }


def _readable(values: Tensor) -> list[Any]:
    """Numbers, with NaN and infinities as text, which JSON has no numbers for."""
    return [value if math.isfinite(value) else str(value) for value in values.tolist()]


def explained_out_of_memory(options: TrainingOptions, longest: int) -> AbstractContextManager[None]:
    """Turn an allocator's error into one that says what to lower."""
    return devices.explained_out_of_memory(
        f"lower training.micro_batch_size (now {options.micro_batch_size}; the loss stays that of "
        "the whole batch), or max_prompt_tokens and max_response_tokens (the longest row has "
        f"{longest} tokens)"
    )
