"""What every pairwise judge is held to."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from prefgrid.judges.pairwise import matrices, matrix


def assert_company_does_not_count(
    load: Callable[..., Any],
    prompts: Sequence[str],
    groups: Sequence[Sequence[str]],
    batch_sizes: Sequence[int],
) -> None:
    """Neither batches nor the order of prompts and responses, nor what is asked beside them. load: a judge,
    with this batch_size."""
    alone = [matrix(load(), *row) for row in zip(prompts, groups, strict=True)]
    draw = random.Random(0)
    for batch_size in batch_sizes:
        order = draw.sample(range(len(prompts)), len(prompts))
        shuffled = [draw.sample(range(len(group)), len(group)) for group in groups]
        found = matrices(
            load(batch_size=batch_size),
            [prompts[n] for n in order],
            [[groups[n][k] for k in shuffled[n]] for n in order],
        )
        for n, logits in zip(order, found, strict=True):
            np.testing.assert_allclose(
                logits, alone[n][np.ix_(shuffled[n], shuffled[n])], atol=1e-5, rtol=0
            )
