"""Log-ratios of training rows as they are now: what objectives are told of their data, and what is left at the end."""

from pathlib import Path

import torch
from torch import Tensor

from prefgrid.objectives.base import Objective
from prefgrid.training import failures
from prefgrid.training.forward import Forward
from prefgrid.training.step import Reference

# Training rows whose final log-ratios are computed wherever there are targets: they say how far t
# reaches, and whether the finished weights, which have gone through no loss yet, overflow.
DESCRIBED_ROWS = 128


def final(
    forward: Forward, objective: Objective, reference: Reference, failure_path: Path | str
) -> Tensor | None:
    """`loop.TrainingResult.log_ratios`, on the run's device; the objective is finished with them."""
    steps = objective.schedule.steps
    wanted = objective.wanted_rows(steps)
    known = torch.arange(0 if forward.targets is None else len(forward.targets))[:DESCRIBED_ROWS]
    if wanted is not None:
        known = torch.cat([wanted.cpu(), known]).unique()
    if not len(known):
        return None
    final = present(forward, reference, known, steps, failure_path)
    if wanted is not None:
        objective.finish(final, forward.targets)
    return final


def present(
    forward: Forward,
    reference: Reference,
    wanted: Tensor,
    steps_done: int,
    failure_path: Path | str,
) -> Tensor:
    """float32 [N, K]: log-ratios of the wanted rows (LongTensor) now, finite or the run stops; NaN
    elsewhere."""
    rows = wanted.tolist()
    found = forward.dataset(rows) - reference.dataset(rows)
    if not found.isfinite().all():
        failures.stop_non_finite_ratios(failure_path, steps_done, rows, found, forward)
    ratios = found.new_full(forward.lengths.shape, torch.nan)
    ratios[wanted.to(found.device)] = found
    return ratios
