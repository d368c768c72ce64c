"""A LoRA policy and its reference in one forward: the adapter acts on the batch's first half only.

peft's own mixed adapter batches do the same by lists of rows, which every layer walks through in
Python and gathers by; halves are slices.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from peft.tuners.lora import Linear, LoraLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import Tensor, nn


@contextmanager
def policy_above_reference(model: Any) -> Iterator[None]:
    """Within, `model` runs a batch's first half with its active adapter and the rest without.

    model: peft model in eval mode with LoRA on linear layers. Raises ValueError for other adapters.
    """
    kinds = LoraLayer, AuxiliaryTrainingWrapper
    layers = [module for module in model.modules() if isinstance(module, kinds)]
    for layer in layers:
        _check_plain(layer, model.active_adapter)
    for layer in layers:
        layer.forward = _on_first_half(layer, model.active_adapter)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _on_first_half(layer: Linear, adapter: str) -> Callable[[Tensor], Tensor]:
    lora_a, lora_b = layer.lora_A[adapter], layer.lora_B[adapter]
    scaling = layer.scaling[adapter]

    def forward(hidden: Tensor) -> Tensor:
        if hidden.dim() != 3:  # an expert's tokens, say, in no order of rows
            raise ValueError(f"hidden states {list(hidden.shape)}: must be [rows, tokens, width]")
        result = layer.base_layer(hidden)
        policy = hidden[: len(hidden) // 2].to(lora_a.weight.dtype)
        result[: len(policy)].add_(lora_b(lora_a(policy)), alpha=scaling)
        return result

    return forward


def _check_plain(layer: nn.Module, adapter: str) -> None:
    if (
        not isinstance(layer, Linear)
        or layer.merged
        or layer.active_adapters != [adapter]
        or adapter in layer.lora_variant
    ):
        raise ValueError(
            f"the adapter's {type(layer).__name__} cannot be scanned over beta; allowed: plain, "
            "unmerged LoRA on linear layers and nothing else"
        )
