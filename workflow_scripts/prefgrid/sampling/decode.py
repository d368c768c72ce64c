"""The one decoding loop: a batch of prompts, several responses a prompt, one model call a step.

Prompts are left-padded with explicit position ids, the prefill's logits give the first token, and
the key-value cache of each prompt is computed once and then copied to its responses. A row that
has drawn EOS receives nothing more; rows that are done leave the batch when they are many.

With several `copies` the model's batch holds all rows as often, one copy after the other, for a
model that treats copies differently (`two_models`), and `choose` sees the logits of each. Logits are
float32 from the last hidden state on, whatever the weights are.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import Cache

from prefgrid.logprobs.head import float32_output_layer
from prefgrid.sampling.attention import reading_cache_once
from prefgrid.sampling.cache import roomy_cache
from prefgrid.sampling.request import DecodingOptions, Response

# Finished rows are dropped once they are this share of the batch: copying the cache costs about as
# much as a few steps of the rows that leave.
COMPACT_SHARE = 0.2

# (logits [copies, rows, V], row numbers [rows], uniforms [rows], live [rows]) → tokens [rows]
Choose = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def decode(
    model: torch.nn.Module,
    prompts: Sequence[Sequence[int]],
    uniforms: Tensor,
    choose: Choose,
    options: DecodingOptions,
    copies: int = 1,
) -> list[Response]:
    """Decode one batch; responses of a prompt are neighbours, in the order of `uniforms`.

    uniforms: float64 [rows, max_new_tokens] on the model's device; rows / len(prompts) responses
    are drawn for each prompt. `choose` also sees rows that are finished but not yet dropped, with
    live = False; what it returns for them is ignored.
    """
    if model.training:
        raise ValueError("decoding needs model.eval(): dropout would change what is sampled")
    with torch.inference_mode(), reading_cache_once(model), float32_output_layer(model):
        return _decode(model, prompts, uniforms, choose, options, copies)


def _decode(
    model: torch.nn.Module,
    prompts: Sequence[Sequence[int]],
    uniforms: Tensor,
    choose: Choose,
    options: DecodingOptions,
    copies: int,
) -> list[Response]:
    device = uniforms.device
    rows_total, width = uniforms.shape
    eos_ids = torch.tensor(options.eos_ids, device=device)

    cache = roomy_cache()
    input_ids, mask = left_pad(prompts, options.pad_id, device)
    input_ids, mask = input_ids.repeat(copies, 1), mask.repeat(copies, 1)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    logits = _forward(model, input_ids, mask, positions, cache)

    rows = torch.arange(rows_total, device=device)
    source = rows // (rows_total // len(prompts))
    logits, mask, position = _select(
        cache, _all_copies(source, len(prompts), copies), logits, mask, positions[:, -1] + 1
    )
    finished = torch.zeros(rows_total, dtype=torch.bool, device=device)
    tokens = torch.full((rows_total, width), options.pad_id, device=device)
    lengths = torch.zeros(rows_total, dtype=torch.long, device=device)
    stopped = torch.zeros(rows_total, dtype=torch.bool, device=device)

    for step in range(width):
        token = choose(logits.unflatten(0, (copies, -1)), rows, uniforms[rows, step], ~finished)
        token = token.masked_fill(finished, options.pad_id)
        tokens[rows, step] = token
        lengths[rows] += ~finished
        finished = finished | torch.isin(token, eos_ids)
        stopped[rows] = finished
        done = int(finished.sum())
        if done == len(rows) or step + 1 == width:
            break
        if done >= COMPACT_SHARE * len(rows):
            keep = (~finished).nonzero()[:, 0]
            mask, position = _select(cache, _all_copies(keep, len(rows), copies), mask, position)
            rows, token, finished = rows[keep], token[keep], finished[keep]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        input_ids = token.repeat(copies)[:, None]
        logits = _forward(model, input_ids, mask, position[:, None], cache)
        position = position + 1

    return [
        Response(tokens=row[:length], finish="stop" if stop else "length")
        for row, length, stop in zip(
            tokens.tolist(), lengths.tolist(), stopped.tolist(), strict=True
        )
    ]


def left_pad(
    prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Token ids and 0/1 mask, both long [len(prompts), longest], padding on the left."""
    longest = max(map(len, prompts))
    input_ids = [[pad_id] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(input_ids, device=device), torch.tensor(mask, device=device)


def _forward(
    model: torch.nn.Module,
    input_ids: Tensor,
    mask: Tensor,
    positions: Tensor,
    cache: Cache,
) -> Tensor:
    """Logits of the last position, [rows, V] in float32; extends the cache in place."""
    output = model(
        input_ids=input_ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1]


def _all_copies(selected: Tensor, rows: int, copies: int) -> Tensor:
    """Model rows of `selected` among `rows`, for every copy: s, s + rows, s + 2·rows, …"""
    return torch.cat([selected + copy * rows for copy in range(copies)])


def _select(cache: Cache, model_rows: Tensor, *tensors: Tensor) -> list[Tensor]:
    """Keep (or repeat) these model rows in the cache, in place, and in each tensor."""
    cache.batch_select_indices(model_rows)
    return [tensor.index_select(0, model_rows) for tensor in tensors]
