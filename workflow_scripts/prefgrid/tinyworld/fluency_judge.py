"""Whether a response is of the tiny world's grammar, as a judge: what a policy may unlearn for its score."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefgrid.tinyworld import language

OPTIONS: dict[str, Any] = {}


class Fluency:
    """Scores responses; what the prompt is does not matter."""

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
        """Float32 [N]: 1 of a sentence of the grammar, else 0."""
        found = [language.is_grammatical(response) for response in responses]
        return np.array(found, dtype=np.float32)


def load(
    folder: Path | None, options: Mapping[str, Any], *, prompt_format: str, device: Any
) -> Fluency:
    """The judge, which asks no model."""
    return Fluency()
