"""What a preference model reads of dialogues, in judging as in training."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prefgrid.logprobs.packing import Layout, Tokens
from prefgrid.logprobs.planning import plan
from prefgrid.logprobs.states import last_hidden_states
from prefgrid.models.preference import PreferenceModel


@dataclass(frozen=True)
class Reading:
    """Of G groups with R responses together: embeddings float32 [R, d], group after group; scales λ float32
    [G, k], or None where all are 1; hidden [tokens, H], the states of `layout`."""

    embeddings: Tensor
    scales: Tensor | None
    hidden: Tensor
    layout: Layout


def read(
    model: PreferenceModel, groups: Sequence[tuple[Tokens, Sequence[Tokens]]], *, pad_id: int
) -> Reading:
    """One forward of all groups (`dialogues.render_groups`), each prompt computed once where the model can; gradients flow.

    The gate reads the last token of the prompt, which no response changes. ValueError where that is to be
    read and a prompt has no token.
    """
    prompts, responses = zip(*groups, strict=True)
    gated = model.prompt_head is not None
    if gated and not all(map(len, prompts)):
        raise ValueError(
            "a prompt has no token that the gate could read; allowed: a non-empty prompt, or a model without a gate"
        )
    layout = plan(model.config.get_text_config(), prompts, responses, pad_id=pad_id)
    hidden = last_hidden_states(model, layout).flatten(0, 1)
    scales = None
    if gated:
        counts = torch.tensor([len(group) for group in responses])
        firsts = counts.cumsum(0) - counts
        # A response's states begin with that of its prompt.
        begins = torch.from_numpy(layout.lengths).cumsum(0) - torch.from_numpy(layout.lengths)
        places = torch.from_numpy(layout.states)[begins[firsts]]
        scales = model.scales(hidden[places.to(hidden.device)])
    ends = torch.from_numpy(layout.ends).to(hidden.device)
    return Reading(model.embeddings(hidden[ends]), scales, hidden, layout)
