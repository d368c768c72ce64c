"""The processes of one training run, each with the whole model and a share of every step.

Torch's elastic launcher starts them and tells each its rank; without it a run is one process. There
is no wrapper around the model, which would hide the parts that log-probabilities are computed
with: values of responses are gathered, gradients summed, and every process takes the same step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters


@dataclass(frozen=True)
class Processes:
    """This process's `rank`, 0-based, among `count`. With one process nothing is exchanged.

    All processes must call `gather`, `gather_objects`, `sum_gradients`, `wait` and `agree` in the same order.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files."""
        return self.rank == 0

    def share(self, items: Any) -> Any:
        """This process's slice of a sequence or tensor: consecutive, sizes differ by at most 1."""
        bounds = self._bounds(len(items))
        return items[bounds[self.rank] : bounds[self.rank + 1]]

    def gather(self, own: Tensor, total: int) -> Tensor:
        """The values of all `total` items, Tensor[total, …], from those of each `share`."""
        if self.count == 1:
            return own
        bounds = self._bounds(total)
        sizes = [stop - start for start, stop in zip(bounds, bounds[1:], strict=False)]
        # Every process must send as much as the others.
        sent = own.new_zeros(max(sizes), *own.shape[1:])
        sent[: len(own)] = own
        received = [torch.empty_like(sent) for _ in sizes]
        dist.all_gather(received, sent)
        return torch.cat([part[:size] for part, size in zip(received, sizes, strict=True)])

    def gather_objects(self, own: list[Any]) -> list[Any]:
        """All items, from the list of each `share`."""
        if self.count == 1:
            return own
        received: list[Any] = [None] * self.count
        dist.all_gather_object(received, own)
        return [item for part in received for item in part]

    def sum_gradients(self, weights: Sequence[Tensor]) -> None:
        """Give every process the sum of all processes' gradients of `weights`."""
        if self.count == 1:
            return
        for weight in weights:
            if weight.grad is None:  # a short batch left nothing for this process
                weight.grad = torch.zeros_like(weight)
        gradients = [weight.grad for weight in weights]
        flat = parameters_to_vector(gradients)
        dist.all_reduce(flat)
        vector_to_parameters(flat, gradients)

    def wait(self) -> None:
        """Return when all processes are here."""
        if self.count > 1:
            dist.barrier()

    def agree(self, value: int, what: str) -> None:
        """Raise RuntimeError unless `value` is the same in all processes."""
        if self.count == 1:
            return
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        if len(set(values)) > 1:
            raise RuntimeError(f"the training processes differ in {what}: {values}")

    def _bounds(self, total: int) -> list[int]:
        return [total * rank // self.count for rank in range(self.count + 1)]
