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
from prefgrid.training.forward import Forward
from prefgrid.training.options import TrainingOptions
from prefgrid.training.processes import Processes

INERT = True

ADVICE = "A lower learning_rate, a smaller max_grad_norm or precision: none may help."


def stop_non_finite(
    path: Path | str,
    what: str,
    step: int,
    batch: Batch,
    forward: Forward,
) -> None:
    """Write the step's batch to `path` (JSON) and raise FloatingPointError naming it."""
    found = [
        {"row": row, **forward.described(row)}
        | {"logp_sums": _readable(logp_sums), "log_ratios": _readable(log_ratios)}
        for row, logp_sums, log_ratios in zip(
            batch.rows.tolist(), batch.logp_sums, batch.log_ratios, strict=True
        )
    ]
    _write(path, {"what": what, "step": step, "groups": found}, forward.processes)
    raise FloatingPointError(
        f"{what} is not finite at step {step}; its batch of {len(found)} groups is in {path}. "
        f"{ADVICE}"
    )


def stop_non_finite_ratios(
    path: Path | str,
    steps_done: int,
    rows: Sequence[int],
    log_ratios: Tensor,
    forward: Forward,
) -> None:
    """Write the `rows` whose `log_ratios` [len(rows), K] are not finite to `path` (JSON), and raise
    FloatingPointError."""
    found = [
        {"row": row, **forward.described(row), "log_ratios": _readable(values)}
        for row, values in zip(rows, log_ratios, strict=True)
        if not values.isfinite().all()
    ]
    report = {"what": "the log-ratios", "step": steps_done, "groups": found}
    _write(path, report, forward.processes)
    raise FloatingPointError(
        f"the log-ratios of {len(found)} of {len(rows)} training rows are not finite after "
        f"{steps_done} steps; they are in {path}. {ADVICE}"
    )


def _write(path: Path | str, report: dict[str, Any], processes: Processes) -> None:
    """All processes come here with the same report; the first writes it."""
    if processes.first:
        store.write_json(path, report)
    # The launcher kills all when one ends, which must not happen before the file is there.
    processes.wait()


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
