"""What every objective is: a loss on log-probabilities, with optional state.

An objective sees sequence log-probabilities and targets, never text and never a model.  Its module
carries two literal constants, read with `ast.literal_eval` where importing torch is not wanted:

* `NEEDS`: `targets`, one of "labels" (one a group: which of two responses is preferred),
  "win_probabilities", "pair_probabilities", "scores" and "weights" (one a response) and "none";
  `responses` (K of every group, None for any); `reference_logps` (bool); `coupled` (True where the loss of a batch is not
  the mean of the losses of its groups); and, where it is True, `sampling_logps`;
* `OPTIONS`: every option with (its default, its bound in the grammar of `limits.bounds`).

An option named `warm_start_epochs` means that training starts as DPO for so many epochs; one named
`link_shift` that is null, that the study fills in the shift of the link its preferences were drawn from.

The index of a pair is t = [log π(y1|x) − log π_ref(y1|x)] − [log π(y0|x) − log π_ref(y0|x)].
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefgrid.limits import bounds


def pair_index(log_ratios: Tensor) -> Tensor:
    """t = a_1 − a_0 of pairs, nats: Tensor[…] of log-ratios […, 2]."""
    return log_ratios[..., 1] - log_ratios[..., 0]


@dataclass(frozen=True)
class Batch:
    """All groups of one optimizer step; G groups of up to K responses.

    A group of fewer than K has lengths 0 in the places that it leaves, and there log_ratios,
    logp_sums, targets and sampling_logps are 0 and no gradient arrives.

    rows: LongTensor[G], ids of the groups in the training set.
    log_ratios: Tensor[G, K], log π − log π_ref of each response, nats, float32.
    logp_sums: Tensor[G, K], log π of each response, nats.
    lengths: LongTensor[G, K], response tokens including EOS.
    targets: what `NEEDS` asks for: labels Tensor[G], 1 where response 1 is preferred, else 0; or
        Tensor[G, K]; None without targets.
    share: of the step's rows that `trained_rows` left in it, the same in every part of a batch.
    sampling_logps: Tensor[G, K], log-probability of each response under what it was drawn from,
        nats; None where the training set does not hold them.
    prompt_values: Tensor[G], value Q̂0 of each group's prompt, in units of the score; None where the
        training set does not hold them.
    prompts: LongTensor[G], ids of the groups' prompts; None where every row is a prompt of its own.
    """

    rows: Tensor
    log_ratios: Tensor
    logp_sums: Tensor
    lengths: Tensor
    targets: Tensor | None
    share: float = 1.0
    sampling_logps: Tensor | None = None
    prompt_values: Tensor | None = None
    prompts: Tensor | None = None

    @property
    def present(self) -> Tensor:
        """BoolTensor[G, K]: where there is a response."""
        return self.lengths > 0

    @property
    def index(self) -> Tensor:
        """Tensor[G]: t = a_1 − a_0 of pairs, nats."""
        return pair_index(self.log_ratios)


@dataclass(frozen=True)
class Schedule:
    """Length of the training: rows of the training set, optimizer steps, and the run's seed."""

    rows: int
    steps: int
    steps_per_epoch: int
    seed: int


class Objective(ABC):
    """Base class; a subclass sets `needs` and `declared` to its module's two literals and defines
    `loss`.

    The other methods are hooks with a neutral default; an objective overrides those it needs.
    """

    needs: dict[str, Any]
    declared: dict[str, tuple[Any, Any]]

    def __init__(self, options: dict[str, Any], schedule: Schedule) -> None:
        """Raises ValueError for an option that the objective does not have or that is out of its
        bound, and for a warm start that `schedule` never leaves."""
        defaults, allowed = bounds.split(self.declared)
        unknown = sorted(set(options) - set(defaults))
        if unknown:
            raise ValueError(
                f"{type(self).__module__}: unknown options {unknown}; allowed: {sorted(defaults)}"
            )
        self.options = {**defaults, **options}
        self.schedule = schedule
        found = bounds.problems(self.options, allowed)
        warm_epochs = self.options.get("warm_start_epochs")
        if not found and warm_epochs is not None:
            problem = bounds.warm_start_problem(
                warm_epochs, schedule.steps_per_epoch, schedule.steps
            )
            found += [problem] if problem else []
        if found:
            raise ValueError(f"{type(self).__module__}: {'; '.join(found)}")

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """Scalar loss of one optimizer step's batch."""

    def trained_rows(self, rows: Sequence[int]) -> Sequence[int]:
        """Which of an optimizer step's rows have a gradient, in the given order; here all.

        Only they are computed where rows are costly. `loss` gets their number as `Batch.share`.
        """
        return rows

    def wanted_rows(self, step: int) -> Tensor | None:
        """Rows whose log-ratios are needed now, LongTensor, each once; None: none.

        Asked before optimizer step `step` (0-based), when `update` gets them, and once more with the
        number of all steps, when `finish` does. Without rows neither is called. A row costs about a
        third of what training on it costs.
        """
        return None

    def update(self, step: int, log_ratios: Tensor, targets: Tensor | None) -> None:  # noqa: B027
        """Receives the training set's log-ratios (Tensor[N, K], nats, no gradient; NaN at rows that
        are not wanted, 0 where there is no response) and all targets, as in `Batch`."""

    def observe(self, batch: Batch) -> None:  # noqa: B027
        """Called after each optimizer step with the step's batch, detached."""

    def finish(self, log_ratios: Tensor, targets: Tensor | None) -> None:  # noqa: B027
        """Called after training with the final log-ratios, as `update` before a step."""

    def sign(self) -> int:
        """ζ: the trained policy is read as π_ref·(π/π_ref)^(ζ/β); −1 if t fell with the label."""
        return 1

    def probability(self, index: Tensor) -> Tensor:
        """The learned link: P(label = 1) at the given t (nats); here σ(β_train·t).

        Means something only for objectives that use labels.
        """
        return torch.sigmoid(self.options.get("beta_train", 1.0) * index)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and integers from which `load_state_dict` restores the state exactly."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned, for the same options and schedule."""
        if state:
            raise ValueError(f"{type(self).__module__}: has no state, was given {sorted(state)}")


def module(name: str) -> Any:
    """The module `prefgrid.objectives.<name>`, or any if `name` has a dot."""
    return importlib.import_module(name if "." in name else f"prefgrid.objectives.{name}")


def create(name: str, options: dict[str, Any], schedule: Schedule) -> Objective:
    """The objective of such a module."""
    return module(name).Objective(options, schedule)
