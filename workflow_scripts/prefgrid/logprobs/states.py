"""Hidden states of the tokens of a layout, each computed as in a sequence of its own."""

from typing import Any

import torch
from torch import Tensor

from prefgrid.logprobs.packing import PROMPT, Layout
from prefgrid.models.positions import check_rotations


def last_hidden_states(model: Any, layout: Layout) -> Tensor:
    """[rows, width, H] of the decoder of `model`, whatever head it has; gradients flow.

    Where a row holds a single sequence the causal mask is enough: such a model never looks to its
    right, so padding there changes nothing.
    """
    check_rotations(model.config.get_text_config(), int(layout.positions.max()) + 1)
    inputs = {"input_ids": torch.from_numpy(layout.input_ids).to(model.device)}
    if not layout.one_sequence_a_row:
        inputs["position_ids"] = torch.from_numpy(layout.positions).to(model.device)
        inputs["attention_mask"] = _additive_mask(layout, model.get_input_embeddings().weight)
    return model.get_decoder()(**inputs, use_cache=False).last_hidden_state


def _additive_mask(layout: Layout, like: Tensor) -> Tensor:
    """[rows, 1, width, width]: 0 where a query (third axis) sees a key (fourth), else −inf.

    Padding sees the padding before it and itself, so that no row of the softmax is empty.
    """
    groups = torch.from_numpy(layout.groups).to(like.device)
    branches = torch.from_numpy(layout.branches).to(like.device)
    seen = groups[:, :, None] == groups[:, None, :]
    seen &= (branches[:, None, :] == branches[:, :, None]) | (branches[:, None, :] == PROMPT)
    seen = seen.tril_()[:, None]
    return torch.zeros(seen.shape, dtype=like.dtype, device=like.device).masked_fill_(
        ~seen, -torch.inf
    )
