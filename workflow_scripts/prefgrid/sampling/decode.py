"""The one decoding loop: a batch of prompts, several responses a prompt, one model call a step.

Prompts are left-padded with explicit position ids, the prefill's logits give the first token, and
the key-value cache of each prompt is computed once and then copied to its responses. A row that
has drawn EOS receives nothing more; rows that are done leave the batch when they are many.

`choose` sees the logits of every reading that the `passes` of a step make of the rows (`passes.py`);
plain decoding has one. Logits are float32 from the last hidden state on, whatever the weights are.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor

from prefgrid.logprobs.head import float32_output_layer
from prefgrid.models.positions import check_rotations
from prefgrid.sampling.attention import reading_cache_once
from prefgrid.sampling.passes import Pass, Reader
from prefgrid.sampling.request import DecodingOptions, Response

# Finished rows are dropped once they are this share of the batch: copying the cache costs about as
# much as a few steps of the rows that leave.
COMPACT_SHARE = 0.2

# (logits [readings, rows, V], row numbers [rows], uniforms [rows], live [rows]) → tokens [rows]
Choose = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def decode(
    model: torch.nn.Module,
    prompts: Sequence[Sequence[int]],
    uniforms: Tensor,
    choose: Choose,
    options: DecodingOptions,
    passes: Sequence[Pass] = (Pass(),),
) -> list[Response]:
    """Decode one batch; responses of a prompt are neighbours, in the order of `uniforms`.

    uniforms: float64 [rows, max_new_tokens] on the model's device; rows / len(prompts) responses
    are drawn for each prompt. `choose` also sees rows that are finished but not yet dropped, with
    live = False; what it returns for them is ignored.
    """
    models = [model, *(one.model for one in passes if one.model is not None)]
    if any(module.training for one in models for module in one.modules()):
        raise ValueError("decoding needs model.eval(): dropout would change what is sampled")
    # The last token is drawn and never read.
    longest = max(map(len, prompts)) + options.max_new_tokens - 1
    check_rotations(model.config.get_text_config(), longest)
    with torch.inference_mode(), ExitStack() as stack:
        for one in models:
            stack.enter_context(reading_cache_once(one))
            stack.enter_context(float32_output_layer(one))
        readers = [Reader(model if one.model is None else one.model, one) for one in passes]
        return _decode(readers, prompts, uniforms, choose, options)


def _decode(
    readers: Sequence[Reader],
    prompts: Sequence[Sequence[int]],
    uniforms: Tensor,
    choose: Choose,
    options: DecodingOptions,
) -> list[Response]:
    device = uniforms.device
    rows_total, width = uniforms.shape
    eos_ids = torch.tensor(options.eos_ids, device=device)

    input_ids, mask = left_pad(prompts, options.pad_id, device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    logits = _read(readers, input_ids, mask, positions)

    rows = torch.arange(rows_total, device=device)
    source = rows // (rows_total // len(prompts))
    mask, position = _select(readers, source, mask, positions[:, -1] + 1)
    logits = logits.index_select(1, source)
    finished = torch.zeros(rows_total, dtype=torch.bool, device=device)
    tokens = torch.full((rows_total, width), options.pad_id, device=device)
    lengths = torch.zeros(rows_total, dtype=torch.long, device=device)
    stopped = torch.zeros(rows_total, dtype=torch.bool, device=device)

    for step in range(width):
        token = choose(logits, rows, uniforms[rows, step], ~finished)
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
            mask, position = _select(readers, keep, mask, position)
            rows, token, finished = rows[keep], token[keep], finished[keep]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        logits = _read(readers, token[:, None], mask, position[:, None])
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


def _read(readers: Sequence[Reader], input_ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
    """Logits of the last position by every reading, [readings, rows, V] in float32."""
    logits = [reader.read(input_ids, mask, positions) for reader in readers]
    return logits[0] if len(logits) == 1 else torch.cat(logits)


def _select(readers: Sequence[Reader], rows: Tensor, *tensors: Tensor) -> list[Tensor]:
    """Keep (or repeat) these rows in what every reader remembers, in place, and in each tensor."""
    for reader in readers:
        reader.select(rows)
    return [tensor.index_select(0, rows) for tensor in tensors]
