"""Rows of unequal length as one table."""

import torch
from torch import Tensor


def as_table(values: Tensor, counts: Tensor, width: int | None = None) -> Tensor:
    """[G, width]: row g holds the next `counts[g]` of the `values` [Σ counts], then zeros.

    counts: int64 [G], on the CPU. width: the largest count where not given. Gradients flow.
    """
    row = torch.arange(len(counts)).repeat_interleave(counts)
    column = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
    table = values.new_zeros(len(counts), int(counts.max()) if width is None else width)
    return table.index_put((row.to(table.device), column.to(table.device)), values)
