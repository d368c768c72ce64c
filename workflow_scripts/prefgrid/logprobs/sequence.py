"""Log-probabilities of stored token ids under a causal language model.

Indices are differences of sums over hundreds of tokens, so everything after the decoder is float32
whatever the weights are: bfloat16 sums are spaced by a whole nat from 128 nats on.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from prefgrid.logprobs.head import plain_output_layer

Tokens = Sequence[int]
# Logits exist for at most this many positions at a time: 1024 of Qwen3's 151,936 are 0.6 GB.
MAX_LOGIT_ROWS = 1024


def sequence_logps(
    model: Any,
    prompt_tokens: Sequence[Tokens],
    response_tokens: Sequence[Sequence[Tokens]],
    *,
    pad_id: int,
) -> tuple[Tensor, Tensor]:
    """Sum of log p(response | prompt) for the K responses to each of G prompts.

    Exactly the given ids are scored, the end token included where a response holds it. Gradients
    flow. `model` is a causal model or a peft wrapper of one. All rows are one forward.

    Returns (logp_sums float32 [G, K] in nats, lengths int64 [G, K] in response tokens), on the
    model's device. Raises ValueError for an empty prompt or response and for unequal K.
    """
    responses_per_prompt = _check(prompt_tokens, response_tokens)
    rows = [
        (prompt, response)
        for prompt, responses in zip(prompt_tokens, response_tokens, strict=True)
        for response in responses
    ]
    sums = _padded_logps(model, rows, pad_id)
    lengths = torch.tensor([len(response) for _, response in rows], device=sums.device)
    shape = (len(prompt_tokens), responses_per_prompt)
    return sums.view(shape), lengths.view(shape)


def _check(prompt_tokens: Sequence[Tokens], response_tokens: Sequence[Sequence[Tokens]]) -> int:
    """The common K of all groups."""
    counts = {len(responses) for responses in response_tokens}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(f"every prompt needs the same number (>= 1) of responses, got {counts}")
    for position, (prompt, responses) in enumerate(
        zip(prompt_tokens, response_tokens, strict=True)
    ):
        if not len(prompt):
            raise ValueError(f"group {position}: the prompt has no token to condition on")
        if not all(len(response) for response in responses):
            raise ValueError(f"group {position}: a response has no tokens")
    return counts.pop()


def _padded_logps(model: Any, rows: list[tuple[Tokens, Tokens]], pad_id: int) -> Tensor:
    """float32 [len(rows)]: one forward of right-padded rows.

    A causal model never looks to its right, so padding there changes nothing and needs no mask.
    """
    width = max(len(prompt) + len(response) for prompt, response in rows)
    ids = [
        [*prompt, *response, *repeat(pad_id, width - len(prompt) - len(response))]
        for prompt, response in rows
    ]
    # The token at column c is predicted at column c - 1.
    slots = [
        (row, token, len(prompt) - 1 + token)
        for row, (prompt, response) in enumerate(rows)
        for token in range(len(response))
    ]
    input_ids = torch.tensor(ids, device=model.device)
    row, token, column = torch.tensor(slots, device=model.device).unbind(1)

    hidden = model.get_decoder()(input_ids=input_ids, use_cache=False).last_hidden_state
    token_logps = _selected_logps(model, hidden[row, column], input_ids[row, column + 1])
    table = token_logps.new_zeros(len(rows), max(len(response) for _, response in rows))
    return table.index_put((row, token), token_logps).sum(1)


def _selected_logps(model: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """float32 [P]: log softmax of the output layer at `hidden` [P, H], taken at `targets` [P]."""
    head = plain_output_layer(model)
    config = model.config.get_text_config()
    for scale in ("logit_scale", "logits_scaling"):
        if getattr(config, scale, None) not in (None, 1, 1.0):
            raise ValueError(f"models that scale their logits ({scale}) are not supported")
    softcap = getattr(config, "final_logit_softcapping", None)

    parts = []
    with torch.autocast(hidden.device.type, enabled=False):
        weight, bias = head.weight.float(), None if head.bias is None else head.bias.float()
        for start in range(0, len(targets), MAX_LOGIT_ROWS):
            stop = start + MAX_LOGIT_ROWS
            logits = F.linear(hidden[start:stop].float(), weight, bias)
            if softcap is not None:
                logits = softcap * torch.tanh(logits / softcap)
            parts.append(-F.cross_entropy(logits, targets[start:stop], reduction="none"))
    return torch.cat(parts)
