"""A policy and its reference, decoded together.

Two whole models have a forward each. A LoRA policy and its base have one where every adapted layer sees
its batch as rows: the adapter then acts on the batch's first half only. (peft's own mixed adapter batches do the same by lists of rows, which every
layer walks through in Python and gathers by; halves are slices.) An expert's layer sees tokens in
no order of rows, and fused experts, embeddings or reshaped states are no linear layers of rows at
all: such models are run twice a step, with the adapter and without.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn

from prefgrid.models.adapted_layers import adapted_layers, is_plain
from prefgrid.sampling.passes import Pass

# Rows and tokens of the batch that is shown to the adapted layers: numbers that cannot be mistaken.
PROBE = 2, 3


@contextmanager
def policy_and_reference(model: Any, reference: Any | None = None) -> Iterator[Sequence[Pass]]:
    """Gives the passes whose two readings are the policy and, second, the reference.

    model: the policy, in eval mode; a whole model beside its `reference`, on one device, or, without
    one, a peft model whose active adapter is the policy and whose base is the reference. They are
    valid within, where the models must not be used otherwise.
    """
    if reference is not None:
        yield Pass(), Pass(model=reference)
        return
    layers = adapted_layers(model)
    if not _see_rows(model, layers):
        yield Pass(), Pass(context=model.disable_adapter)
        return
    for layer in layers:
        layer.forward = _on_first_half(layer, model.active_adapter)
    try:
        yield (Pass(copies=2),)
    finally:
        for layer in layers:
            del layer.forward


def _on_first_half(layer: Linear, adapter: str) -> Callable[[Tensor], Tensor]:
    lora_a, lora_b = layer.lora_A[adapter], layer.lora_B[adapter]
    scaling = layer.scaling[adapter]

    def forward(hidden: Tensor) -> Tensor:
        result = layer.base_layer(hidden)
        policy = hidden[: len(hidden) // 2].to(lora_a.weight.dtype)
        result[: len(policy)].add_(lora_b(lora_a(policy)), alpha=scaling)
        return result

    return forward


def _see_rows(model: Any, layers: Sequence[nn.Module]) -> bool:
    """Whether every adapted layer is plain LoRA on a linear one, and in a forward sees all of its
    input as [rows, tokens, width]."""
    if not all(is_plain(layer, model.active_adapter) for layer in layers):
        return False
    seen: dict[nn.Module, set[tuple[int, ...]]] = {layer: set() for layer in layers}

    def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[layer].add(tuple(inputs[0].shape[:-1]) if inputs else ())

    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        with torch.inference_mode():
            model(input_ids=torch.zeros(PROBE, dtype=torch.long, device=model.device))
    finally:
        for hook in hooks:
            hook.remove()
    return all(shapes == {PROBE} for shapes in seen.values())
