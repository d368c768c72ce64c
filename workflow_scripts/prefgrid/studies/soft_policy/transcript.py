"""What a run tells of itself as it goes: nothing, or the lines of the published program.

Those are in its order and hold its quantities, in words of our own: samples of the untrained model; of
each epoch Q̂0 with a warning where it is a constant, a line every 100 updates, a summary, five samples and
whether its measure of early stopping got better; samples of the trained model. In the first epoch the
first five responses that it is trained on too. Nothing of it changes the training.

Of several targets, Q̂0 and samples are of the first. A run that is resumed tells of what it does itself:
its averages and its best are of its own updates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from prefgrid.files import store
from prefgrid.objectives.base import Batch, Objective
from prefgrid.statistics import soft_value

Rows = Sequence[Mapping[str, Any]]
# (when, optimizer steps done, how many) → samples of each target.
Draw = Callable[[str, int, int], Rows]
FIRST_RESPONSES = PREDICTIONS = 5
UPDATES_A_LINE = 100
# Looks in a row that were no better, at which the published program stopped.
PATIENCE = 3
FIRST_INTEGER = re.compile(r"\d+")


class Teller:
    """Says nothing. run: a `Run`, as its methods see it."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def listening(self, objective: Objective) -> Any:
        """The objective to train with: it, or as good as it."""
        return objective

    def sampled(self, when: str, rows: Rows) -> None:
        """Samples `before` or `after` the training, rows of the run's table of them."""

    def looked(self, step: int, draw: Draw) -> None:
        """So many optimizer steps are done, and with them an epoch; `draw` samples the policy as it is."""


class Overheard:
    """An objective whose steps, once they are done, are told as well."""

    def __init__(self, objective: Objective, told: Callable[[float, Batch], None]) -> None:
        self.objective = objective
        self.told = told

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objective, name)

    def observe(self, batch: Batch) -> None:
        # β and what is learned move on in `observe`.
        loss = float(self.objective.loss(batch))
        self.objective.observe(batch)
        self.told(loss, batch)


class Transcript(Teller):
    """The published program's lines."""

    def __init__(self, run: Any) -> None:
        super().__init__(run)
        self.losses: list[float] = []
        self.rewards: list[float] = []
        self.best = np.inf
        self.looks_since = 0

    def listening(self, objective: Objective) -> Any:
        return Overheard(objective, self._updated)

    def sampled(self, when: str, rows: Rows) -> None:
        rows = self._of_the_first(rows)
        store.log(f"{len(rows)} samples {when} training:")
        for row in rows:
            store.log(f"  {row['sample'] + 1:2d}: {row['text']!r}, reward {row['score']:.4f}")

    def looked(self, step: int, draw: Draw) -> None:
        epoch = step // self.run.setting.epoch_steps
        store.log(
            f"epoch {epoch} of {self.run.setting.drawing['epochs']}: average loss "
            f"{np.mean(self.losses):.4f} of {len(self.losses)} updates, average reward "
            f"{np.mean(self.rewards):.4f} of what it was trained on"
        )
        texts = [row["text"] for row in self._of_the_first(draw("predicted", step, PREDICTIONS))]
        store.log(f"predictions: {texts}")
        distance = self.distance(texts)
        if distance < self.best:
            self.best, self.looks_since = distance, 0
            store.log(f"new best: the mean integer is {distance:.4f} from the target")
            return
        self.looks_since += 1
        told = f"no improvement ({self.looks_since} of {PATIENCE}): " + (
            f"the mean integer is {distance:.4f} from the target, at best it was {self.best:.4f}"
            if distance < np.inf
            else "no prediction has an integer"
        )
        stops = "; the published program stops here" if self.looks_since == PATIENCE else ""
        store.log(told + stops)

    def distance(self, texts: Sequence[str]) -> float:
        """|mean of the texts' first integers − target|, whatever their range; infinite without any."""
        found = [FIRST_INTEGER.search(text) for text in texts]
        integers = [int(one[0]) for one in found if one]
        if not integers:
            return np.inf
        return abs(sum(integers) / len(integers) - self.run.numbers.tasks[0].target)

    def _updated(self, loss: float, batch: Batch) -> None:
        """An optimizer step is done; its loss, and its batch, detached."""
        run, forward = self.run, self.run.forward
        step = forward.drawn_at + int(batch.rows[0]) // forward.options.batch_size
        if step % run.setting.epoch_steps == 0:
            self.losses, self.rewards = [], []
            self._tell_value(step)
        groups = [forward.groups[row] for row in batch.rows.tolist()]
        rewards = [
            reward
            for group in groups
            for reward in run.numbers.score([group.prompt] * len(group.responses), group.responses)
        ]
        self.losses.append(loss)
        self.rewards += rewards
        if step < FIRST_RESPONSES:
            if step == 0:
                store.log("first responses that it is trained on:")
            text = run.numbers.text(groups[0].responses[0])
            store.log(f"  {step + 1}: {text!r}, reward {rewards[0]:.4f}")
        if (step + 1) % UPDATES_A_LINE == 0:
            value = np.nan if batch.prompt_values is None else float(batch.prompt_values[0])
            advantage = run.beta_at(step) * float(batch.log_ratios[0, 0])
            store.log(
                f"update {step + 1}: Q0 {value:.4f}, cumulative advantage {advantage:.4f}, "
                f"Q_terminal {value + advantage:.4f}, reward {rewards[0]:.4f}"
            )

    def _tell_value(self, step: int) -> None:
        """Q̂0 of the epoch that begins with this step."""
        run, drawing = self.run, self.run.setting.drawing
        if run.values is None:
            return  # the objective makes it, anew in each step
        epoch = step // run.setting.epoch_steps + 1
        value, exactly = run.values.at(step, 0).value, run.exact.of(step, 0)
        scores = getattr(run.values, "scores", {}).get(0)
        told = f"epoch {epoch} of {drawing['epochs']}: Q0 {value:.4f} ({drawing['value']}"
        if scores is None:
            store.log(f"{told})")
            return
        success = np.mean(np.array(scores) > soft_value.PUBLISHED_SUCCESS)
        store.log(f"{told}, {len(scores)} samples, {success:.1%} of them a success)")
        constant = drawing["value"] == "published" and soft_value.published_constant(
            np.array(scores), run.beta_at(step)
        )
        if constant:
            store.log(f"warning: that is no estimate but {constant}; exactly it is {exactly:.4f}")

    def _of_the_first(self, rows: Rows) -> Rows:
        return [row for row in rows if row["target"] == self.run.numbers.tasks[0].target]
