"""LoRA on a linear layer with no elementwise work of its own: y = Wx, then y += s·(xAᵀ)Bᵀ in place.

peft's layer makes three tensors of y's size more: the product, its scaled copy and the sum. On
short sequences they are a good part of a step.
"""

from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor


class InPlaceLoraLinear(Linear):
    """peft's LoRA `Linear`: the same weights and values, to rounding, whatever is switched on in it.

    What it does not do itself (dropout, merged or several adapters, another dtype than the base
    layer's) is left to peft.
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
        active = self.active_adapters
        return (
            not self.disable_adapters
            and not self.merged
            and len(active) == 1
            and active[0] in self.lora_A
            and active[0] not in self.lora_variant
            and isinstance(self.lora_dropout[active[0]], torch.nn.Identity)
            and type(self.base_layer) is torch.nn.Linear
            and not torch.is_autocast_enabled(x.device.type)
            and x.dtype == self.base_layer.weight.dtype == self.lora_A[active[0]].weight.dtype
        )
