"""What a pointwise judge is: it gives a (prompt, response) text pair a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Scores:
    """rewards: float32 [N], in the order asked. cut_prompts: dialogues whose prompt was shortened."""

    rewards: np.ndarray
    cut_prompts: int


class Judge(Protocol):
    """Scores pairs independently of each other and of their order."""

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> Scores:
        """One reward per (prompt, response); raises ValueError naming a pair it cannot score."""
        ...
