"""Which layers of a peft model an adapter acts on, and whether it is plain LoRA there."""

from typing import Any

from peft.tuners.lora import Linear, LoraLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import nn


def adapted_layers(model: Any) -> list[nn.Module]:
    """Layers that are another with the adapter than without."""
    kinds = LoraLayer, AuxiliaryTrainingWrapper
    return [module for module in model.modules() if isinstance(module, kinds)]


def is_plain(layer: nn.Module, adapter: str) -> bool:
    """Whether the layer adds `adapter` to a linear one as s·(xAᵀ)Bᵀ and does nothing else."""
    return (
        isinstance(layer, Linear)
        and not layer.merged
        and layer.active_adapters == [adapter]
        and adapter not in layer.lora_variant
    )
