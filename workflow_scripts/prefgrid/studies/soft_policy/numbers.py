"""The task as tokens: prompts, their enumerated answers, and the scores of whatever is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from prefgrid import chat
from prefgrid.logprobs.table import dataset_logps
from prefgrid.studies.soft_policy.task import NumberTask

Tokens = list[int]
# Answers that share one forward, and so the prompt's.
ANSWERS_A_FORWARD = 128


@dataclass(frozen=True)
class Numbers:
    """Tasks, each with a prompt of its own, for one tokenizer.

    An answer is the number's own tokens and the end token, exactly: another spelling by tokens, another
    end or none is no answer. So what is enumerated is all that is valid.

    tasks: which differ in their target alone. named: whether the prompt names the target.
    """

    tasks: Sequence[NumberTask]
    tokenizer: Any
    prompt_format: str
    named: bool

    @cached_property
    def end(self) -> int:
        """Id of the token that ends an answer."""
        return chat.end_id(self.tokenizer, self.prompt_format)

    @cached_property
    def texts(self) -> list[str]:
        """What is asked, a text a task."""
        return [task.prompt(self.named) for task in self.tasks]

    @cached_property
    def prompts(self) -> list[Tokens]:
        return [chat.render_prompt(self.tokenizer, text, self.prompt_format) for text in self.texts]

    @cached_property
    def answers(self) -> list[list[Tokens]]:
        """Of each task, its valid answers in ascending order."""
        spelled = self.tasks[0].answers()
        return [
            chat.encode_responses(self.tokenizer, text, spelled, self.prompt_format, self.end)
            for text in self.texts
        ]

    @cached_property
    def rewards(self) -> list[np.ndarray]:
        """float64 [answers] of each task."""
        return [np.array([task.reward(answer) for answer in task.answers()]) for task in self.tasks]

    @cached_property
    def _places(self) -> list[dict[tuple[int, ...], int]]:
        return [
            {tuple(tokens): place for place, tokens in enumerate(answers)}
            for answers in self.answers
        ]

    def check_room(self, max_new_tokens: int) -> None:
        """ValueError if samples of so many tokens cut an answer: its beginning would be scored as none."""
        longest = max(len(tokens) for answers in self.answers for tokens in answers)
        if longest > max_new_tokens:
            raise ValueError(
                f"soft_policy.task.max_new_tokens = {max_new_tokens}, but the longest answer has {longest} "
                f"tokens with its end; allowed: at least {longest}"
            )

    def number(self, prompt: int, tokens: Sequence[int]) -> int | None:
        """The number that a response to the prompt is, if it is an answer."""
        place = self._places[prompt].get(tuple(tokens))
        return None if place is None else self.tasks[prompt].lo + place

    def score(self, prompts: Sequence[int], responses: Sequence[Sequence[int]]) -> list[float]:
        """Of a response each, to the prompts of these places."""
        found = []
        for prompt, tokens in zip(prompts, responses, strict=True):
            number = self.number(prompt, tokens)
            task = self.tasks[prompt]
            found.append(task.r_invalid if number is None else task.reward(str(number)))
        return found

    def text(self, tokens: Sequence[int]) -> str:
        """What a response says, its end token left out, others shown."""
        said = tokens[:-1] if tokens[-1] == self.end else tokens
        return self.tokenizer.decode(list(said))

    def answer_logps(self, model: Any, pad_id: int) -> list[np.ndarray]:
        """float64 [answers] nats of each task, under a model without dropout or gradient; the forwards of
        a hundred answers are one for each task."""
        counts = [math.ceil(len(answers) / ANSWERS_A_FORWARD) for answers in self.answers]
        prompts, groups = [], []
        for prompt, answers in zip(self.prompts, self.answers, strict=True):
            for start in range(0, len(answers), ANSWERS_A_FORWARD):
                prompts.append(prompt)
                groups.append(answers[start : start + ANSWERS_A_FORWARD])
        sums, lengths = dataset_logps(model, prompts, groups, pad_id=pad_id, batch_size=1)
        rows = zip(sums.double(), lengths > 0, strict=True)
        parts = iter([row[present].numpy() for row, present in rows])
        return [np.concatenate([next(parts) for _ in range(count)]) for count in counts]


def valid_mass(answer_logps: np.ndarray) -> float:
    """Probability that a response is an answer."""
    return float(np.exp(answer_logps).sum())
