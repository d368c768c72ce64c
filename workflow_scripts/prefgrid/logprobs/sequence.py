"""Log-probabilities of stored token ids under a causal language model.

Indices are differences of sums over hundreds of tokens, so everything after the decoder is float32
whatever the weights are: bfloat16 sums are spaced by a whole nat from 128 nats on.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prefgrid.logprobs.head import logit_cap, logit_scale, plain_output_layer
from prefgrid.logprobs.packing import Layout, Tokens
from prefgrid.logprobs.planning import plan
from prefgrid.logprobs.ragged import as_table
from prefgrid.logprobs.selected import selected_logps
from prefgrid.logprobs.states import last_hidden_states


def sequence_logps(
    model: Any,
    prompt_tokens: Sequence[Tokens],
    response_tokens: Sequence[Sequence[Tokens]],
    *,
    pad_id: int,
    width: int | None = None,
) -> tuple[Tensor, Tensor]:
    """`response_logps` of G prompts with up to K responses each, as tables.

    Returns (logp_sums float32 [G, K] in nats, lengths int64 [G, K] in response tokens), on the
    model's device; both are 0 where a group has fewer than K, which is `width` or, without one, the
    most that a group has.
    """
    sums, lengths = response_logps(model, prompt_tokens, response_tokens, pad_id=pad_id)
    counts = torch.tensor([len(responses) for responses in response_tokens])
    return as_table(sums, counts, width), as_table(lengths, counts, width)


def response_logps(
    model: Any,
    prompt_tokens: Sequence[Tokens],
    response_tokens: Sequence[Sequence[Tokens]],
    *,
    pad_id: int,
) -> tuple[Tensor, Tensor]:
    """Sum of log p(response | prompt) for every response, any number (>= 1) of them to a prompt.

    Exactly the given ids are scored, the end token included where a response holds it. Gradients
    flow. `model` is a causal model or a peft wrapper of one. All groups are one forward, in the
    cheaper layout that the model can take (`planning.plan`): rows of whole groups, in which each
    prompt is computed once, or one padded row a response.

    Returns (logp_sums float32 [R] in nats, lengths int64 [R] in response tokens), group after
    group, on the model's device. Raises ValueError for no group and for an empty prompt, group or
    response.
    """
    _check(prompt_tokens, response_tokens)
    config = model.config.get_text_config()
    # Nothing is predicted from a last token, so the model does not read it.
    read = [[response[:-1] for response in responses] for responses in response_tokens]
    layout = plan(config, prompt_tokens, read, pad_id=pad_id)
    hidden = last_hidden_states(model, layout)
    states = torch.from_numpy(layout.states).to(hidden.device)
    targets = [token for responses in response_tokens for one in responses for token in one]
    targets = torch.tensor(targets, device=hidden.device)
    found = token_logps(model, hidden.flatten(0, 1)[states], targets)
    return _sums(found, layout), torch.from_numpy(layout.lengths).to(hidden.device)


def _check(prompt_tokens: Sequence[Tokens], response_tokens: Sequence[Sequence[Tokens]]) -> None:
    if not prompt_tokens:
        raise ValueError("there are no groups to score")
    for group, (prompt, responses) in enumerate(zip(prompt_tokens, response_tokens, strict=True)):
        if not len(prompt):
            raise ValueError(f"group {group}: the prompt has no token to condition on")
        if not len(responses):
            raise ValueError(f"group {group}: there is no response to score")
        if not all(len(response) for response in responses):
            raise ValueError(f"group {group}: a response has no tokens")


def token_logps(model: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """float32 [P] of `targets` [P] after states [P, H], by the model's own output layer, logit scale and
    logit cap."""
    head = plain_output_layer(model)
    config = model.config.get_text_config()
    return selected_logps(
        hidden, head.weight, head.bias, targets, logit_cap(config), logit_scale(config)
    )


def _sums(token_logps: Tensor, layout: Layout) -> Tensor:
    """[R]: sums over each response's tokens, in an order that is the same at every call."""
    return as_table(token_logps, torch.from_numpy(layout.lengths)).sum(1)
