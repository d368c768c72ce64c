"""What a decode step runs: one or several forwards over the same rows.

Policy and reference are two readings of a text. Where the adapter can act on a part of a batch, one
forward makes both, its batch holding all rows twice; else each has a forward, and a cache, of its
own, as two whole models always have.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefgrid.sampling.cache import roomy_cache


@dataclass(frozen=True)
class Pass:
    """One forward a step, made within `context()`; its batch holds all rows `copies` times, one copy
    after the other, for a model that treats copies differently. model: None for the one that is
    decoded."""

    copies: int = 1
    context: Callable[[], AbstractContextManager[Any]] = nullcontext
    model: Any = None


class Reader:
    """A pass of `model`, and the cache of what it has read."""

    def __init__(self, model: Any, one: Pass) -> None:
        self.model = model
        self.copies = one.copies
        self.context = one.context
        self.cache = roomy_cache(model.config)
        self.rows = 0

    def read(self, input_ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """Logits of the last position, [copies, rows, V] in float32.

        input_ids and positions: [rows, new tokens]; mask: [rows, all tokens].
        """
        self.rows = len(input_ids)
        with self.context():
            output = self.model(
                input_ids=input_ids.repeat(self.copies, 1),
                attention_mask=mask.repeat(self.copies, 1),
                position_ids=positions.repeat(self.copies, 1),
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return output.logits[:, -1].unflatten(0, (self.copies, self.rows))

    def select(self, rows: Tensor) -> None:
        """Go on with these of the rows; one may be there several times."""
        copies = [rows + copy * self.rows for copy in range(self.copies)]
        self.cache.reorder_cache(torch.cat(copies))
        self.rows = len(rows)
