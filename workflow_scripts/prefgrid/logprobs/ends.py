"""Hidden states where continuations of prompts end, prompts computed once: what a head or a next token reads."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prefgrid.logprobs.packing import Tokens
from prefgrid.logprobs.planning import plan
from prefgrid.logprobs.states import last_hidden_states


def end_states(
    model: Any, groups: Sequence[Sequence[tuple[Tokens, Tokens]]], pad_id: int
) -> Tensor:
    """[continuations, H], group after group, of a causal decoder with any head.

    groups: (prompt, continuation) pairs of token ids; those of a group have the same prompt.
    """
    prompts = [group[0][0] for group in groups]
    continuations = [[one for _, one in group] for group in groups]
    layout = plan(model.config.get_text_config(), prompts, continuations, pad_id=pad_id)
    hidden = last_hidden_states(model, layout).flatten(0, 1)
    return hidden[torch.from_numpy(layout.ends).to(hidden.device)]
