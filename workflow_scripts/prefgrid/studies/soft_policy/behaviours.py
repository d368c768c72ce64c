"""What draws numbers without a model: valid answers all alike, and strings that are none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from prefgrid import chat, seeding
from prefgrid.studies.soft_policy.numbers import Numbers
from prefgrid.training.sources import Ask, Drawn, Stateless

DIGITS = 10
# Digits that an invalid string may have more than the largest answer.
MORE_DIGITS = 2


class UniformAnswers(Stateless):
    """A valid answer, each as likely; of as many draws in a row as there are answers each comes once."""

    def __init__(self, numbers: Numbers, seed: int) -> None:
        self.numbers = numbers
        self.seed = seed

    def draw(
        self, asks: Sequence[Ask], prompts: Sequence[Sequence[int]], model: Any
    ) -> list[Drawn]:
        count = len(self.numbers.answers[0])
        found = []
        for ask in asks:
            turn, position = divmod(ask.number, count)
            order = seeding.stream(self.seed, "uniform_answers", turn).permutation(count)
            tokens = self.numbers.answers[ask.prompt][int(order[position])]
            found.append(Drawn(tokens, -math.log(count)))
        return found


class InvalidStrings(Stateless):
    """Digits that are no answer: of each length from 0 to two more than the longest answer's, as likely,
    each string of a length too; drawn again until it is none."""

    def __init__(self, numbers: Numbers, seed: int) -> None:
        self.numbers = numbers
        self.seed = seed
        answers = numbers.tasks[0].answers()
        self.lengths = max(map(len, answers)) + MORE_DIGITS + 1
        valid = sum(DIGITS ** -len(answer) for answer in answers) / self.lengths
        self.log_kept = math.log1p(-valid)

    def draw(
        self, asks: Sequence[Ask], prompts: Sequence[Sequence[int]], model: Any
    ) -> list[Drawn]:
        numbers, found = self.numbers, []
        for ask in asks:
            text = self._text(ask)
            [tokens] = chat.encode_responses(
                numbers.tokenizer,
                numbers.texts[ask.prompt],
                [text],
                numbers.prompt_format,
                numbers.end,
            )
            logp = -math.log(self.lengths) - len(text) * math.log(DIGITS) - self.log_kept
            found.append(Drawn(tokens, logp))
        return found

    def _text(self, ask: Ask) -> str:
        task = self.numbers.tasks[ask.prompt]
        stream = seeding.stream(self.seed, "invalid_strings", ask.step, ask.prompt, ask.sample)
        while True:
            length = int(stream.integers(self.lengths))
            text = "".join(map(str, stream.integers(DIGITS, size=length)))
            if task.parse(text) is None:
                return text
