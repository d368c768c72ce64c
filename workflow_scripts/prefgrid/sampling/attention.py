"""Attention for decode steps that reads the key-value cache once.

With grouped-query attention and a padding mask, transformers' sdpa path first copies the whole
cache once per query head: on a CPU that is most of a decode step. With one query position the
query heads that share a key head can stand in for query positions instead, and nothing is copied.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "prefgrid_grouped_sdpa"


def grouped_sdpa(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Transformers' sdpa attention, without copying keys and values where there is one query.

    query [B, H, Q, D], key and value [B, H_kv, T, D], mask broadcastable to [B, 1, Q, T]; returns
    [B, Q, H, D]. Query head h reads key head h // (H / H_kv), as in `repeat_kv`.
    """
    if query.shape[2] != 1:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    rows, heads, _, width = query.shape
    folded = query.reshape(rows, key.shape[1], heads // key.shape[1], width)
    output = scaled_dot_product_attention(
        folded, key, value, attn_mask=attention_mask, dropout_p=dropout, scale=scaling
    )
    return output.reshape(rows, 1, heads, -1), None


AttentionInterface.register(NAME, grouped_sdpa)
AttentionMaskInterface.register(NAME, sdpa_mask)


@contextmanager
def reading_cache_once(model: torch.nn.Module) -> Iterator[None]:
    """Run a model that uses sdpa with `grouped_sdpa`; leave any other implementation alone."""
    before = model.config._attn_implementation
    if before != "sdpa":
        yield
        return
    model.config._attn_implementation = NAME
    try:
        yield
    finally:
        model.config._attn_implementation = before
