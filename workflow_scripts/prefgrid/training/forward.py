"""What a run trains: anything that turns rows of a data set into values with a gradient."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from prefgrid.models.dropout import without_dropout
from prefgrid.models.loading import DTYPES
from prefgrid.training.options import TrainingOptions
from prefgrid.training.processes import Processes

TABLES = ("lengths", "targets", "sampling_logps", "prompt_values", "prompts")


class Forward(Protocol):
    """N rows of K values each under a model, and what an objective is told about them.

    For a policy a row is a group and its values are log-probabilities of responses (`step`); for
    another model they are whatever its objective's loss is a function of, as `Batch.logp_sums`. A
    class that names this one as its base defines `micro_batch` and `described`, and sets:

    model: on the run's device from `place` on. options: how it is trained.
    lengths: int64 [N, K], tokens of each response; 0 where a row has no such value.
    targets: float32 [N] or [N, K], as in `Batch`; or None. sampling_logps: float32 [N, K] or None.
    processes: of the run. longest: tokens of the longest row, for messages.

    Where they are known: prompt_values float32 [N] and prompts int64 [N], as in `Batch`. One whose rows
    change while it trains (`drawn`) also knows their reference_logps float32 [N, K].
    """

    model: Any
    options: TrainingOptions
    lengths: Tensor
    targets: Tensor | None
    sampling_logps: Tensor | None
    processes: Processes
    longest: int
    prompt_values: Tensor | None = None
    prompts: Tensor | None = None
    reference_logps: Tensor | None = None

    @abstractmethod
    def micro_batch(self, rows: Sequence[int]) -> Tensor:
        """float32 [len(rows), K] on the model's device, 0 where a row has no such value: one
        forward; gradients flow."""

    def check(self) -> None:
        """ValueError if the model's own forward gives other values than these."""

    @abstractmethod
    def described(self, row: int) -> dict[str, Any]:
        """The row as JSON, for the report of a failure."""

    def micro_batches(self, rows: Any) -> list[Any]:
        """This process's share of a step's rows (a sequence or tensor), cut for its forwards."""
        own, size = self.processes.share(rows), self.options.micro_batch_size
        return [own[start : start + size] for start in range(0, len(own), size)]

    @torch.no_grad()
    def dataset(self, rows: Sequence[int]) -> Tensor:
        """float32 [len(rows), K] on the model's device: no gradient, no dropout."""
        # In few rows a process may have no part.
        parts = [torch.empty(0, self.lengths.shape[1], device=self.model.device)]
        with without_dropout(self.model):
            parts += [self.micro_batch(part) for part in self.micro_batches(rows)]
        return self.processes.gather(torch.cat(parts), len(rows))

    def autocast(self) -> AbstractContextManager:
        """In which all weights, which are float32, are computed in the run's precision."""
        if self.options.lora is not None or self.options.precision == "none":
            return nullcontext()
        return torch.autocast(self.model.device.type, DTYPES[self.options.precision])

    def place(self, device: torch.device, processes: Processes) -> None:
        """Bring the model and all tables to `device`, as one of `processes`."""
        self.processes = processes
        self.model.to(device)
        for name in TABLES:
            table = getattr(self, name)
            setattr(self, name, None if table is None else table.to(device))

    def refresh(self, step: int) -> bool:
        """Called before optimizer step `step` (0-based): whether the rows are others from now on."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Tensors and JSON values from which `load_state_dict` restores the rows, where they change."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned; called once the model is on its device."""
