"""Q̂0 of the prompts of a run, by the estimators that the config names."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from prefgrid.files import store
from prefgrid.statistics import soft_value
from prefgrid.statistics.soft_value import Masses, SoftValue
from prefgrid.studies.soft_policy.numbers import Numbers
from prefgrid.training.drawn import DrawnForward
from prefgrid.training.processes import Processes
from prefgrid.training.sources import Ask, Behaviour, drawn_by

# (prompts' places, responses) → log-probabilities under the reference, nats.
ReferenceLogps = Callable[[Sequence[int], Sequence[Sequence[int]]], Sequence[float]]


class Estimates:
    """`training.sources.Values` that stand before the first draw and have no state."""

    def refresh(self, steps: range, model: Any, processes: Processes) -> None: ...

    def of(self, step: int, prompt: int) -> float:
        return self.at(step, prompt).value

    @abstractmethod
    def at(self, step: int, prompt: int) -> SoftValue:
        """The estimate of Q̂0 at a step, with what is known of its error."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class ExactValues(Estimates):
    """By enumeration of all answers, whatever is left having one score."""

    def __init__(
        self,
        numbers: Numbers,
        answer_logps: Sequence[np.ndarray],
        beta_at: Callable[[int], float],
    ) -> None:
        self.numbers = numbers
        self.answer_logps = answer_logps
        self.beta_at = beta_at
        self.known: dict[tuple[int, float], SoftValue] = {}
        self.masses = [
            soft_value.enumerated(logps, rewards, task.r_invalid)
            for logps, rewards, task in zip(
                answer_logps, numbers.rewards, numbers.tasks, strict=True
            )
        ]

    def at(self, step: int, prompt: int) -> SoftValue:
        beta = self.beta_at(step)
        if (prompt, beta) not in self.known:
            self.known[prompt, beta] = soft_value.of_masses(self.masses[prompt], beta)
        return self.known[prompt, beta]


class LoggedValues(Estimates):
    """Those that the published program printed, in each of its three epochs."""

    def __init__(self, exact: ExactValues, prompts: Sequence[int], epoch_steps: int) -> None:
        self.exact = exact
        self.prompts = prompts
        self.epoch_steps = epoch_steps

    def refresh(self, steps: range, model: Any, processes: Processes) -> None:
        if _begins(steps, self.epoch_steps):
            for prompt in self.prompts:
                warn("logged", self.at(steps.start, prompt), self.exact.of(steps.start, prompt))

    def at(self, step: int, prompt: int) -> SoftValue:
        epoch = min(step // self.epoch_steps, len(soft_value.PUBLISHED_LOG) - 1)
        value, masses = soft_value.PUBLISHED_LOG[epoch], self.exact.masses[prompt]
        feasibility = soft_value.feasibility(value, masses, self.exact.beta_at(step))
        return SoftValue(value, np.nan, np.nan, feasibility)


class SampledValues(Estimates):
    """From samples of the reference, or of the policy as it stands when the first groups of an epoch are
    drawn.

    kind: reference (once), weighted (of the policy, weighted by π_ref/π), published (of the reference,
    then of the policy without weights).
    """

    def __init__(
        self,
        kind: str,
        exact: ExactValues,
        *,
        prompts: Sequence[int],
        reference: Behaviour,
        policy: Behaviour,
        reference_logps: ReferenceLogps,
        samples: int,
        epoch_steps: int,
    ) -> None:
        self.kind = kind
        self.exact = exact
        self.prompts = prompts
        self.reference = reference
        self.policy = policy
        self.reference_logps = reference_logps
        self.samples = samples
        self.epoch_steps = epoch_steps
        # Of each prompt: scores, and log-weights for `weighted`.
        self.scores: dict[int, list[float]] = {}
        self.log_weights: dict[int, list[float]] = {}

    def refresh(self, steps: range, model: Any, processes: Processes) -> None:
        begins = _begins(steps, self.epoch_steps)
        if not begins or (self.kind == "reference" and self.scores):
            return
        of_policy = self.kind == "weighted" or (self.kind == "published" and steps.start > 0)
        behaviour = self.policy if of_policy else self.reference
        numbers = self.exact.numbers
        asks = [
            Ask(steps.start, prompt, sample, 0)
            for prompt in self.prompts
            for sample in range(self.samples)
        ]
        drawn = drawn_by(behaviour, asks, numbers.prompts, model, processes)
        places, responses = [ask.prompt for ask in asks], [one.tokens for one in drawn]
        scores = numbers.score(places, responses)
        weights = [0.0] * len(asks)
        if self.kind == "weighted":
            reference = self.reference_logps(places, responses)
            weights = [float(known) - one.logp for known, one in zip(reference, drawn, strict=True)]
        for number, prompt in enumerate(self.prompts):
            own_rows = slice(number * self.samples, (number + 1) * self.samples)
            self.scores[prompt] = scores[own_rows]
            self.log_weights[prompt] = weights[own_rows]
            warn(self.kind, self.at(steps.start, prompt), self.exact.of(steps.start, prompt))

    def at(self, step: int, prompt: int) -> SoftValue:
        scores, beta = np.array(self.scores[prompt]), self.exact.beta_at(step)
        judge = self.exact.masses[prompt]
        if self.kind == "published":
            return soft_value.published(scores, beta, judge)
        weights = np.array(self.log_weights[prompt]) if self.kind == "weighted" else None
        return soft_value.from_samples(scores, beta, weights, judge)

    def state_dict(self) -> dict[str, Any]:
        # JSON has no numbers for keys.
        return {
            "scores": list(self.scores.items()),
            "log_weights": list(self.log_weights.items()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scores = dict(state["scores"])
        self.log_weights = dict(state["log_weights"])


def _begins(steps: range, epoch_steps: int) -> bool:
    """Whether an epoch begins in these steps."""
    return steps.start % epoch_steps < len(steps)


def warn(kind: str, found: SoftValue, exactly: float) -> None:
    """A line in the log where the estimate is no value that a training on it can meet."""
    if not soft_value.is_sound(found.feasibility):
        store.log(
            f"warning: Q̂₀ by {kind} is {found.value:.4f}, exactly it is {exactly:.4f}: what is aimed at "
            f"has the sum {found.feasibility:.3g}, which should be 1"
        )


def implied(
    forward: DrawnForward, place: int, beta: float, judge: Masses, learned: float | None
) -> SoftValue:
    """Of the groups of a prompt that are held: what `softpo` takes for its value, or has `learned`.
    Labels, which have no score, imply none."""
    held = [row for row, group in enumerate(forward.groups) if group.prompt == place]
    if not held or forward.targets.dim() == 1:
        return SoftValue(np.nan, np.nan, 0.0, np.nan)
    ratios = forward.dataset(held) - forward.reference_logps[held]
    residuals = (forward.targets[held] - beta * ratios).flatten().cpu().numpy()
    found = soft_value.from_residuals(residuals, beta, judge)
    if learned is None:
        return found
    feasibility = soft_value.feasibility(learned, judge, beta)
    return replace(found, value=learned, standard_error=np.nan, feasibility=feasibility)
