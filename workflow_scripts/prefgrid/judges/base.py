"""What a pointwise judge is: it gives a (prompt, response) text pair a number.

A judge is a module with the literal `OPTIONS` (name → (default, bound), as an objective's) and
`load(folder, options, *, prompt_format, device)`, which returns a `Judge`; `folder` holds the model
it asks, None if it asks none (a judge that cannot do without says `ASKS_A_MODEL = True`). Options
named `max_tokens` (the limit of a dialogue) and `precision` are checked against the rest of the
config.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Judge(Protocol):
    """Scores pairs independently of each other and of their order."""

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
        """Rewards float32 [N] in the order asked; ValueError naming a pair it cannot score."""
        ...


def if_not_finite(precision: str, folder: Any) -> str:
    """What to do about a model's value that is no finite number, behind what it is."""
    return (
        f"Half precision can overflow (the judge's precision is {precision}; none is float32); else the "
        f"weights in {folder} are not sound"
    )


def judged_rewards(judge: Judge, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
    """What the judge says, float32 [N]; ValueError unless it is one finite number a pair.

    A judge is anybody's code: rewards that belong to other pairs would not be seen later.
    """
    found = np.asarray(judge.score(prompts, responses), dtype=np.float32)
    if found.shape != (len(prompts),):
        raise ValueError(
            f"the judge gave rewards of shape {list(found.shape)} for {len(prompts)} pairs"
        )
    wrong = (~np.isfinite(found)).nonzero()[0]
    if len(wrong):
        raise ValueError(
            f"the judge's score of {responses[wrong[0]]!r} as an answer to {prompts[wrong[0]]!r} is "
            f"{found[wrong[0]]}"
        )
    return found
