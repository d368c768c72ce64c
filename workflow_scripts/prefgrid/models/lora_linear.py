"""LoRA on a linear layer with no elementwise work of its own: y = Wx, then y += s·(xAᵀ)Bᵀ in place.

peft's layer makes three more tensors of y's size: the product, its scaled copy and the sum. At the
tiny world's sizes, in float32, they are a twentieth of a training step.
"""

from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor


class InPlaceLoraLinear(Linear):
    """peft's LoRA `Linear`: the same weights, and the same values to rounding.

    One active adapter in the weights' own dtype, without dropout, bias or autocast, is added in
    place. Whatever else is switched on is left to peft.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if args or kwargs or not self._is_plain(x):
            return super().forward(x, *args, **kwargs)
        (adapter,) = self.active_adapters
        rows = x.flatten(0, -2)
        result = self.base_layer(rows)
        low_rank = self.lora_A[adapter](rows)
        result.addmm_(low_rank, self.lora_B[adapter].weight.t(), alpha=self.scaling[adapter])
        return result.unflatten(0, x.shape[:-1])

    def _is_plain(self, x: Tensor) -> bool:
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return False
        (adapter,) = self.active_adapters
        return (
            adapter in self.lora_A
            and adapter not in self.lora_variant
            and isinstance(self.lora_dropout[adapter], torch.nn.Identity)
            and self.lora_B[adapter].bias is None
            and type(self.base_layer) is torch.nn.Linear
            and not torch.is_autocast_enabled(x.device.type)
            and x.dtype == self.base_layer.weight.dtype == self.lora_A[adapter].weight.dtype
            and x.dim() > 1
        )
