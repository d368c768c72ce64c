"""The true log-odds of the closings' ring as a judge: it compares, and no score stands behind it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefgrid.tinyworld import ring

OPTIONS: dict[str, Any] = {}
COMPARES = True


class Circle:
    """Compares the responses of each prompt; what the prompt is does not matter."""

    antisymmetric = True

    def logits(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """One float32 [K, K] a prompt, > 0 where response i beats response j."""
        return [ring.logits(group).astype(np.float32) for group in responses]


def load(
    folder: Path | None, options: Mapping[str, Any], *, prompt_format: str, device: Any
) -> Circle:
    """The judge, which asks no model."""
    return Circle()
