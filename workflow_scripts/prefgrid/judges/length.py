"""Longer or shorter texts are better: a score proportional to the number of characters."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

OPTIONS = {
    # of the score, for each character
    "scale": (0.01, "[1e-6, 1e6]"),
    "prefers": ("longer", ["longer", "shorter"]),
}


class Length:
    """Code points count, white space included; an empty response scores 0."""

    def __init__(self, scale: float, prefers: str) -> None:
        self.weight = scale if prefers == "longer" else -scale

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
        """Rewards float32 [N]."""
        return np.array([self.weight * len(one) for one in responses], dtype=np.float32)


def load(folder: Any, options: Mapping[str, Any], *, prompt_format: str, device: Any) -> Length:
    """The judge, as every judge's module offers it; it asks no model."""
    return Length(**options)
