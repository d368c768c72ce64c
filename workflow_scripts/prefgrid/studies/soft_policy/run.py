"""One training on numbers: what it draws, what is looked at after each epoch, and what is left of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from prefgrid.objectives import base
from prefgrid.objectives.base import Objective
from prefgrid.statistics.soft_value import SoftValue
from prefgrid.studies.soft_policy import exact, rows, values
from prefgrid.studies.soft_policy.behaviours import InvalidStrings, UniformAnswers
from prefgrid.studies.soft_policy.numbers import Numbers
from prefgrid.studies.soft_policy.setting import Outcome, Rows, Setting
from prefgrid.studies.soft_policy.transcript import Teller
from prefgrid.training.batches import Group
from prefgrid.training.behaviours import PolicySamples, ReferenceSamples, Replay
from prefgrid.training.drawn import DrawnForward
from prefgrid.training.loop import train
from prefgrid.training.sources import Ask, Behaviour, MixedSource
from prefgrid.training.watch import Watch


class Run:
    """A run of one seed; `policy` is trained in place, and the reference is `reference_model` or, without
    one, the policy with its adapter off. teller: tells of the run. ValueError where samples cut an answer."""

    def __init__(
        self,
        setting: Setting,
        numbers: Numbers,
        policy: Any,
        reference_model: Any,
        seed: int,
        teller: type[Teller] = Teller,
    ) -> None:
        self.setting = setting
        self.numbers = numbers
        self.policy = policy
        self.reference_model = reference_model
        self.seed = seed
        self.pad_id = setting.decoding.pad_id
        numbers.check_room(setting.decoding.max_new_tokens)
        drawing = setting.drawing
        # A new adapter changes nothing yet.
        known = policy if reference_model is None else reference_model
        self.reference_answers = numbers.answer_logps(known, self.pad_id)
        self.exact = values.ExactValues(numbers, self.reference_answers, self.beta_at)
        self.policy_samples = PolicySamples(setting.decoding, seed)
        self.reference_samples = ReferenceSamples(setting.decoding, seed, reference_model)
        self.values = self._values(drawing["value"])
        # A preference is on two responses, whatever share one forward.
        targets, size = "scores", drawing["group_size"]
        module = base.module(setting.objective)
        if module.NEEDS["targets"] == "labels":
            targets, size = "labels", module.NEEDS["responses"]
        groups_a_step = setting.options.batch_size * drawing["group_size"] // size
        self.options = replace(
            setting.options, epochs=None, max_steps=setting.steps, batch_size=groups_a_step
        )
        self.forward = DrawnForward(
            model=policy,
            options=self.options,
            pad_id=self.pad_id,
            source=MixedSource(
                numbers.prompts[: setting.trained],
                {name: (self._behaviour(name), share) for name, share in drawing["mix"].items()},
                numbers.score,
                size=size,
                seed=seed,
                values=self.values,
                targets=targets,
            ),
            refresh_steps=drawing["refresh_steps"],
            reference_model=reference_model,
        )
        self.objective: Objective = base.create(
            setting.objective,
            setting.objective_options,
            self.options.schedule(self.forward.held, seed),
        )
        self.teller = teller(self)

    def train(
        self, *, work: Path | None, failure_path: Path | str, metrics_path: Path | None
    ) -> Outcome:
        """The whole run. Raises what `training.loop.train` raises."""
        drawing = self.setting.drawing
        outcome = Outcome(samples=self._shown("before", 0))
        watch = Watch(
            self._look(time.monotonic()),
            every=self.setting.epoch_steps,
            by="tv" if drawing["keep_best"] else None,
            patience=drawing["patience"],
        )
        result = train(
            self.forward,
            self.teller.listening(self.objective),
            metrics_path=metrics_path,
            failure_path=failure_path,
            order=self.forward,
            work=work,
            watch=watch,
        )
        for row in watch.rows:
            kept = row["step"] == (watch.best["step"] if watch.weights else watch.rows[-1]["step"])
            outcome.evaluations += [one | {"kept": kept} for one in row["tasks"]]
            outcome.values += row["values"]
        outcome.steps = [
            {name: row[name] for name in ("step", "loss", "grad_norm", "learning_rate")}
            for row in result.metrics
        ]
        outcome.samples += self._shown("after", self.setting.steps)
        outcome.answers = rows.answers(
            self.numbers,
            self.setting.trained,
            self.reference_answers,
            self.numbers.answer_logps(self.policy, self.pad_id),
            self.setting.beta,
        )
        outcome.weights = {
            name: weight.detach().cpu()
            for name, weight in self.policy.named_parameters()
            if weight.requires_grad
        }
        return outcome

    def beta_at(self, step: int) -> float:
        """β of the objective at a step; that of the optimum where it has none."""
        beta_at = getattr(base.module(self.setting.objective), "beta_at", None)
        if beta_at is None:
            return self.setting.beta
        return beta_at(step, self.setting.steps, self.setting.objective_options)

    def _values(self, kind: str) -> Any:
        if kind in ("group", "learned"):
            return None
        if kind == "exact":
            return self.exact
        prompts = range(self.setting.trained)
        if kind == "logged":
            return values.LoggedValues(self.exact, prompts, self.setting.epoch_steps)
        policy = PolicySamples(self.setting.decoding, self.seed, purpose="policy_values")
        reference = ReferenceSamples(
            self.setting.decoding, self.seed, self.reference_model, purpose="reference_values"
        )
        return values.SampledValues(
            kind,
            self.exact,
            prompts=prompts,
            reference=reference,
            policy=policy,
            reference_logps=self._reference_logps,
            samples=self.setting.drawing["value_samples"],
            epoch_steps=self.setting.epoch_steps,
        )

    def _behaviour(self, name: str) -> Behaviour:
        seed = self.seed
        return {
            "policy": lambda: self.policy_samples,
            "reference": lambda: self.reference_samples,
            "replay": lambda: Replay(self.setting.drawing["replay"], seed, self.policy_samples),
            "uniform": lambda: UniformAnswers(self.numbers, seed),
            "invalid": lambda: InvalidStrings(self.numbers, seed),
        }[name]()

    def _look(self, started: float) -> Any:
        def look(step: int) -> dict[str, Any]:
            if step:
                self.teller.looked(step, self._samples)
            found = self.numbers.answer_logps(self.policy, self.pad_id)
            shared = {
                "step": step,
                "epoch": step / self.setting.epoch_steps,
                "samples": step * self.setting.drawing["samples"] // self.setting.epoch_steps,
                "seconds": time.monotonic() - started if self.setting.measure_seconds else None,
            }
            tasks = [
                {
                    **shared,
                    **rows.named(self.numbers, self.setting.trained, place),
                    **exact.metrics(task, self.reference_answers[place], logps, self.setting.beta),
                }
                for place, (task, logps) in enumerate(zip(self.numbers.tasks, found, strict=True))
            ]
            trained = tasks[: self.setting.trained]
            return {
                "tv": float(np.mean([row["tv"] for row in trained])),
                "tasks": tasks,
                "values": [
                    {
                        **shared,
                        **rows.named(self.numbers, self.setting.trained, place),
                        **self._value(step, place),
                    }
                    for place in range(self.setting.trained)
                ],
            }

        return look

    def _value(self, step: int, place: int) -> dict[str, Any]:
        """The estimate of Q̂0 that the last step was trained with, or will the first be; NaN if its
        objective takes none."""
        step = max(step - 1, 0)
        given, name = self.values, self.setting.drawing["value"]
        if "value" not in self.setting.objective_options:
            # It regresses on none, whatever it is given or its groups imply.
            name, found = None, SoftValue(np.nan, np.nan, np.nan, np.nan)
        elif given is not None:
            found = given.at(step, place)
        else:
            learned = getattr(self.objective, "values", {}).get(place)
            judge = self.exact.masses[place]
            found = values.implied(self.forward, place, self.beta_at(step), judge, learned)
            values.warn(name, found, self.exact.of(step, place))
        estimator = {"estimator": name, "step_beta": self.beta_at(step)}
        return {**estimator, **asdict(found), "exact": self.exact.of(step, place)}

    def _shown(self, when: str, step: int) -> Rows:
        shown = self._samples(when, step, self.setting.final_samples)
        self.teller.sampled(when, shown)
        return shown

    def _samples(self, when: str, step: int, count: int) -> Rows:
        shown = PolicySamples(self.setting.decoding, self.seed, purpose=f"samples_{when}")
        places = range(len(self.numbers.tasks))
        asks = [Ask(step, place, sample, sample) for place in places for sample in range(count)]
        drawn = shown.draw(asks, self.numbers.prompts, self.policy)
        return rows.samples(self.numbers, self.setting.trained, when, asks, drawn)

    def _reference_logps(self, places: Sequence[int], responses: Sequence[Sequence[int]]) -> Tensor:
        """float32 nats, of a response each."""
        prompts = (self.numbers.prompts[place] for place in places)
        groups = [Group(prompt, [one]) for prompt, one in zip(prompts, responses, strict=True)]
        return self.forward.reference_of(groups)[:, 0]
