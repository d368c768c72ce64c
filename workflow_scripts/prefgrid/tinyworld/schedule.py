"""How the tiny world's two models are optimised, and in which order they see their rows."""

from dataclasses import dataclass

import numpy as np

from prefgrid.limits import tiny_world
from prefgrid.training.options import TrainingOptions


def training_options(
    steps: int,
    batch_size: int,
    learning_rate: float,
    decay_share: float,
    warmup_steps: int = tiny_world.WARMUP_STEPS,
) -> TrainingOptions:
    """AdamW with a linear warm-up, a constant rate, and a linear decay in the last `decay_share`.

    A relation between prompt and response is learned suddenly, after a wait that differs from run
    to run; under a cosine the rate may have fallen by then.
    """
    return TrainingOptions(
        epochs=None,
        max_steps=steps,
        batch_size=batch_size,
        micro_batch_size=batch_size,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        linear_decay_share=decay_share,
        weight_decay=0.01,
        # So the models were when the default grid was tuned to them.
        decay_norms_and_biases=True,
        adam_betas=(0.9, 0.98),
    )


@dataclass(frozen=True)
class FixedOrder:
    """Rows of every step, from a table int64 [steps, batch_size]."""

    table: np.ndarray

    def rows(self, step: int) -> list[int]:
        return self.table[step].tolist()


def passes(rows: int, options: TrainingOptions, random: np.random.Generator) -> np.ndarray:
    """Row ids of every step, int64 [steps, batch_size]; each pass over all rows is a new
    permutation, and a step may begin in one and end in the next."""
    shape = options.max_steps, options.batch_size
    needed = shape[0] * shape[1]
    order = np.concatenate([random.permutation(rows) for _ in range(-(-needed // rows))])
    return order[:needed].reshape(shape)
