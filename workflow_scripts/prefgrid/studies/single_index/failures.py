"""What a training says when a seed cannot go on."""

import math
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from prefgrid.files import store
from prefgrid.objectives.base import Batch, Objective

INERT = True


def stop_non_finite(
    path: Path,
    what: str,
    step: int,
    values: Tensor,
    objectives: Sequence[Objective],
    batches: Sequence[Batch],
) -> None:
    """Write the batches of the seeds whose `values` [S] are not finite to `path` (JSON) and raise
    FloatingPointError naming seeds and step."""
    bad = [
        (objective.schedule.seed, batch)
        for objective, batch, value in zip(objectives, batches, values, strict=True)
        if not value.isfinite()
    ]
    found = [
        {
            "seed": seed,
            "rows": batch.rows.tolist(),
            "labels": batch.targets.tolist(),
            # JSON has no NaN and no infinity.
            "index_nats": [t if math.isfinite(t) else str(t) for t in batch.index.tolist()],
        }
        for seed, batch in bad
    ]
    store.write_json(path, {"what": what, "step": step, "batches": found})
    seeds = ", ".join(str(seed) for seed, _ in bad)
    raise FloatingPointError(
        f"{what} of {type(objectives[0]).__module__} is not finite at step {step} of seed {seeds}; "
        f"the batch is in {path}. A lower single_index learning_rate may help."
    )
