"""The one noise that the reference and every scanned policy are sampled with on held-out prompts.

Sample k of a prompt gets the same uniforms whatever is sampled: reference, methods, shifts, seeds
and β share them, so differences between any two of them are paired.
"""

from collections.abc import Sequence

import numpy as np

from prefgrid import seeding
from prefgrid.limits.noise import SCAN


def evaluation_uniforms(
    seed: int, prompt_ids: Sequence[str], samples: int, max_new_tokens: int
) -> np.ndarray:
    """float64 [prompts·samples, max_new_tokens] in [0, 1); a prompt's rows together, sample 0 first.

    A row depends on (seed, prompt_id, sample) alone: asking for more samples changes none.
    """
    keys = [(prompt_id, sample) for prompt_id in prompt_ids for sample in range(samples)]
    return seeding.uniforms(seed, SCAN, keys, max_new_tokens)
