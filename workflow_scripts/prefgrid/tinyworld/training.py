"""The plain training loop of the tiny world's two models."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from prefgrid.files import store

PROGRESS_LINES = 20


@dataclass(frozen=True)
class Schedule:
    """AdamW with a linear warm-up, a constant rate, and a linear decay in the last `decay_share`.

    Hägele et al., arXiv 2405.18392. A relation between prompt and response is learned suddenly,
    after a wait that differs from run to run; under a cosine the rate may have fallen by then.
    """

    steps: int
    batch_size: int
    learning_rate: float
    decay_share: float
    warmup_steps: int = 30
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of optimizer step `step`, counted from 0."""
        rise = (step + 1) / self.warmup_steps
        fall = (self.steps - step) / (self.decay_share * self.steps)
        return self.learning_rate * min(1.0, rise, fall)


def fit(
    model: torch.nn.Module,
    schedule: Schedule,
    loss_of: Callable[[int, np.ndarray], torch.Tensor],
    rows: int,
    random: np.random.Generator,
    name: str,
) -> None:
    """Run the schedule. `loss_of(step, indices)` is the loss of the rows of a batch.

    Rows come in a new random order each time all were seen. Raises FloatingPointError at the first
    loss that is not finite.
    """
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=schedule.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=schedule.weight_decay,
        fused=True,
    )
    every = max(1, schedule.steps // PROGRESS_LINES)
    recent: list[float] = []
    for step, indices in enumerate(batches(rows, schedule, random)):
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate_at(step)
        loss = loss_of(step, indices)
        recent.append(loss.item())
        if not math.isfinite(recent[-1]):
            raise FloatingPointError(
                f"{name}: the loss is {recent[-1]} at step {step} of {schedule.steps}; "
                f"lower its learning_rate ({schedule.learning_rate})"
            )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.max_grad_norm)
        optimizer.step()
        if (step + 1) % every == 0:
            store.log(f"{name}: step {step + 1} of {schedule.steps}, loss {np.mean(recent):.3f}")
            recent.clear()
    model.eval()


def batches(rows: int, schedule: Schedule, random: np.random.Generator) -> Iterator[np.ndarray]:
    """`schedule.steps` batches of row indices; each pass over the rows is a new permutation."""
    needed = schedule.steps * schedule.batch_size
    passes = -(-needed // rows)
    order = np.concatenate([random.permutation(rows) for _ in range(passes)])
    for step in range(schedule.steps):
        yield order[step * schedule.batch_size : (step + 1) * schedule.batch_size]
