"""Rows of the study's tables that describe a policy: its answers one by one, and samples of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prefgrid.studies.soft_policy import exact
from prefgrid.studies.soft_policy.numbers import Numbers
from prefgrid.studies.soft_policy.setting import Rows
from prefgrid.training.sources import Ask, Drawn


def named(numbers: Numbers, trained: int, place: int) -> dict[str, Any]:
    """Columns target and split of a task, by its place."""
    split = "train" if place < trained else "test"
    return {"target": numbers.tasks[place].target, "split": split}


def answers(
    numbers: Numbers,
    trained: int,
    reference_logps: Sequence[np.ndarray],
    policy_logps: Sequence[np.ndarray],
    beta: float,
) -> Rows:
    """Of each task's answers, [A] nats each: number, p_policy, p_optimum, p_reference."""
    found: Rows = []
    for place, task in enumerate(numbers.tasks):
        # Without what all other texts have together.
        optimum = exact.optimum(task, reference_logps[place], beta)[:-1]
        columns = {
            "p_policy": policy_logps[place],
            "p_optimum": optimum,
            "p_reference": reference_logps[place],
        }
        for row, number in enumerate(task.numbers()):
            probabilities = {name: float(np.exp(column[row])) for name, column in columns.items()}
            found.append({**named(numbers, trained, place), "number": number, **probabilities})
    return found


def samples(
    numbers: Numbers, trained: int, when: str, asks: Sequence[Ask], drawn: Sequence[Drawn]
) -> Rows:
    """when, target, split, sample, text, number (None of what is none), score, logp (nats)."""
    scores = numbers.score([ask.prompt for ask in asks], [one.tokens for one in drawn])
    return [
        {
            "when": when,
            **named(numbers, trained, ask.prompt),
            "sample": ask.sample,
            "text": numbers.text(one.tokens),
            "number": numbers.number(ask.prompt, one.tokens),
            "score": score,
            "logp": one.logp,
        }
        for ask, one, score in zip(asks, drawn, scores, strict=True)
    ]
