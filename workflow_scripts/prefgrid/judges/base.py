"""What a pointwise judge is: it gives a (prompt, response) text pair a number."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Judge(Protocol):
    """Scores pairs independently of each other and of their order."""

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
        """Rewards float32 [N] in the order asked; ValueError naming a pair it cannot score."""
        ...
