"""Training on groups that are drawn while it goes on, from the policy as it then is and other behaviours."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from prefgrid.training.batches import Group
from prefgrid.training.processes import Processes
from prefgrid.training.reference import AdapterOffReference
from prefgrid.training.step import PolicyForward, Reference


class Source(Protocol):
    """Where the groups of a run come from. What it draws depends on the steps, the model and its state."""

    def draw(
        self, steps: range, groups_a_step: int, model: Any, processes: Processes
    ) -> list[Group]:
        """The groups of these optimizer steps, in their order; the same in all processes."""

    def state_dict(self) -> dict[str, Any]:
        """JSON values from which `load_state_dict` restores it."""

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(kw_only=True)
class DrawnForward(PolicyForward):
    """A policy's groups of `refresh_steps` optimizer steps, drawn anew from `source` when these are over;
    `options.batch_size` groups are one step, in the order in which they are drawn.

    reference_model: what the groups' reference log-probabilities are computed with, in evaluation mode;
    None: the policy with its adapter off. It is itself the `Order` of a run.
    """

    groups: Sequence[Group] = ()
    source: Source
    refresh_steps: int
    reference_model: Any = None
    # The step before which the groups were drawn.
    drawn_at: int | None = None

    def __post_init__(self) -> None:
        if self.options.lora is None and self.reference_model is None:
            raise ValueError(
                "a full fine-tune has no adapter to switch off: it needs a reference model"
            )
        if self.groups:
            super().__post_init__()

    @property
    def held(self) -> int:
        """Groups that are drawn at a time: the rows of `options.schedule`."""
        return self.refresh_steps * self.options.batch_size

    def rows(self, step: int) -> list[int]:
        """Row ids of optimizer step `step`, of the groups that are held then."""
        size = self.options.batch_size
        first = step % self.refresh_steps * size
        return list(range(first, first + size))

    def place(self, device: torch.device, processes: Processes) -> None:
        self.processes = processes
        self.model.to(device)
        if self.reference_model is not None:
            self.reference_model.to(device)
        if not self.groups:
            self._draw(0)
        super().place(device, processes)

    def refresh(self, step: int) -> bool:
        if step % self.refresh_steps or step == self.drawn_at:
            return False
        self._draw(step)
        return True

    def state_dict(self) -> dict[str, Any]:
        groups = [asdict(group) for group in self.groups]
        return {"groups": groups, "drawn_at": self.drawn_at, "source": self.source.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.source.load_state_dict(state["source"])
        self._hold([Group(**group) for group in state["groups"]], state["drawn_at"])

    def _draw(self, step: int) -> None:
        steps = range(step, step + self.refresh_steps)
        size = self.options.batch_size
        groups = self.source.draw(steps, size, self.model, self.processes)
        if len(groups) != self.held:
            raise ValueError(
                f"{type(self.source).__module__} drew {len(groups)} groups for {self.refresh_steps} "
                f"steps of {size}"
            )
        self._hold(groups, step)

    def _hold(self, groups: Sequence[Group], step: int) -> None:
        self.groups, self.drawn_at = groups, step
        self.tabulate()
        super().place(self.model.device, self.processes)
        reading = self._reading(groups)
        # In the steps' own micro-batches, so that it is rounded as the policy is.
        steps = [self._of_step(reading, self.rows(step)) for step in range(self.refresh_steps)]
        self.reference_logps = torch.cat(steps)

    def reference_of(self, groups: Sequence[Group]) -> Tensor:
        """float32 [N, K] nats: the reference's log-probabilities of any groups, as all processes ask for
        them."""
        return self._reading(groups).dataset(range(len(groups)))

    def _reading(self, groups: Sequence[Group]) -> Reference:
        """The reference's log-probabilities of `groups`."""
        known = self.reference_model is not None
        model = self.reference_model if known else self.model
        forward = PolicyForward(model, groups, self.options, self.pad_id, self.processes)
        return forward if known else AdapterOffReference(forward)

    @torch.no_grad()
    def _of_step(self, reading: Reference, rows: Sequence[int]) -> Tensor:
        # In a short batch a process may have no part.
        parts = [torch.empty(0, self.lengths.shape[1], device=self.model.device)]
        parts += [reading.micro_batch(part) for part in self.micro_batches(rows)]
        return self.processes.gather(torch.cat(parts), len(rows))
