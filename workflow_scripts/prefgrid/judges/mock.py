"""A judge without a model or sense, for dry runs and tests: normal logits by hash of the texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefgrid.seeding import stream

COMPARES = True
OPTIONS = {
    # another seed is another judge
    "seed": (0, "integer in [0, 2147483647]"),
    # standard deviation of the logits
    "scale": (1.0, "[1e-6, 1e6]"),
    # false: the order in which two responses are shown counts
    "antisymmetric": (True, [True, False]),
}


class Mock:
    """l_ij is a draw of N(0, scale²) keyed by (seed, prompt, y_i, y_j), so circles are as common as chance
    has them. Antisymmetric, it is drawn for the two texts in their own order, and 0 of equal ones."""

    def __init__(self, seed: int, scale: float, antisymmetric: bool) -> None:
        self.seed = seed
        self.scale = scale
        self.antisymmetric = antisymmetric

    def logits(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """One float32 [K, K] a prompt."""
        return [self._matrix(*row) for row in zip(prompts, responses, strict=True)]

    def _matrix(self, prompt: str, responses: Sequence[str]) -> np.ndarray:
        found = np.zeros((len(responses), len(responses)), dtype=np.float32)
        for i, first in enumerate(responses):
            for j, second in enumerate(responses):
                if i != j:
                    found[i, j] = self._logit(prompt, first, second)
        return found

    def _logit(self, prompt: str, first: str, second: str) -> float:
        if self.antisymmetric and first >= second:
            return 0.0 if first == second else -self._logit(prompt, second, first)
        return self.scale * stream(self.seed, "mock judge", prompt, first, second).standard_normal()


def load(folder: Any, options: Mapping[str, Any], *, prompt_format: str, device: Any) -> Mock:
    """The judge, as every judge's module offers it; it asks no model."""
    return Mock(**options)
