"""A run that is looked at while it trains: its best weights are kept, and it ends once it gets no better."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from prefgrid.files import store


class Watch:
    """Looks at the model every `every` optimizer steps, before the first and after the last.

    look: optimizer steps done → values by name, JSON, of the model as it then is; the same in all
    processes. by: the value whose lowest marks the weights to keep; None: the last ones stay. patience:
    so many looks in a row without a lower value end the run; None: none do.
    """

    def __init__(
        self,
        look: Callable[[int], dict[str, Any]],
        *,
        every: int,
        by: str | None = None,
        patience: int | None = None,
    ) -> None:
        self.look = look
        self.every = every
        self.by = by
        self.patience = patience
        # One a look, with the steps done under "step".
        self.rows: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"step": 0, "value": math.inf, "looks_since": 0}
        self.weights: dict[str, Tensor] = {}

    def begin(self) -> None:
        """Look at the model before its first step; it is not among the weights to keep."""
        self._look(0)

    def ends(self, steps_done: int, steps: int, weights: Mapping[str, Tensor]) -> bool:
        """Called after each step of `steps`, with the trainable weights: whether the run ends here."""
        if steps_done % self.every and steps_done != steps:
            return False
        found = self._look(steps_done)
        if self.by is None:
            return False
        # What is not a number is no best.
        if found[self.by] < self.best["value"]:
            self.best = {"step": steps_done, "value": found[self.by], "looks_since": 0}
            self.weights = {name: weight.detach().clone() for name, weight in weights.items()}
        else:
            self.best["looks_since"] += 1
        if self.patience is None or self.best["looks_since"] < self.patience:
            return False
        store.log(
            f"{self.by} has not fallen below {self.best['value']:.4g} for {self.patience} looks: the run "
            f"ends after {steps_done} of {steps} steps"
        )
        return True

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Give `weights` the values to keep."""
        if self.weights:
            store.log(f"kept: the weights after {self.best['step']} steps")
            with torch.no_grad():
                for name, best in self.weights.items():
                    weights[name].copy_(best)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "best": self.best, **self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = state["rows"]
        self.best = state["best"]
        self.weights = {name: value for name, value in state.items() if isinstance(value, Tensor)}

    def _look(self, steps_done: int) -> dict[str, Any]:
        found = self.look(steps_done)
        self.rows.append({"step": steps_done, **found})
        return found
