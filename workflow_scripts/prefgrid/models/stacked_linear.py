"""A linear layer with the adapters of earlier iterations on it, not merged: y = Wx + Σ s·(xAᵀ)Bᵀ.

In float32 a merged layer is the same to rounding. In bfloat16 and float16 the sum's weights would be rounded to
the precision, and an adapter that moved them by less than their last bit would be lost. So W stays in the
precision, A and B in float32, and each adapter is added as peft's own layer adds it: the layer is, to the last bit,
the policy that the adapter was trained and evaluated as.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from prefgrid.models.adapted_layers import adapted_layers, is_plain


class StackedLinear(nn.Linear):
    """`base` with one more adapter: low [rank, in], high [out, rank], both float32.

    For peft it is a linear layer like any other, which a new adapter goes on. Earlier adapters are buffers:
    nothing trains them, and no program takes them for layers.
    """

    def __init__(self, base: nn.Linear, low: Tensor, high: Tensor, scaling: float) -> None:
        # No memory for weights that are replaced at once.
        super().__init__(base.in_features, base.out_features, base.bias is not None, device="meta")
        self.weight, self.bias = base.weight, base.bias
        earlier = base.adapters() if isinstance(base, StackedLinear) else []
        adapters = [*earlier, (low, high, scaling)]
        self.scalings = [scaling for *_, scaling in adapters]
        for number, (low, high, _) in enumerate(adapters):
            self.register_buffer(f"low_{number}", low)
            self.register_buffer(f"high_{number}", high)

    def adapters(self) -> list[tuple[Tensor, Tensor, float]]:
        """(low, high, scaling) of each, oldest first."""
        return [
            (getattr(self, f"low_{number}"), getattr(self, f"high_{number}"), scaling)
            for number, scaling in enumerate(self.scalings)
        ]

    def forward(self, hidden: Tensor) -> Tensor:
        result = super().forward(hidden)
        for low, high, scaling in self.adapters():
            added = functional.linear(functional.linear(hidden.to(low.dtype), low), high)
            # Rounded after each adapter, as each iteration's policy was.
            result = (result + added * scaling).to(result.dtype)
        return result


def put_below(policy: Any) -> Any | None:
    """The model of a peft `policy` whose adapter is part of its linear layers from now on; None, and nothing
    is changed, if the adapter is more than plain LoRA on linear layers (Conv1D, experts, DoRA, …)."""
    layers, adapter = adapted_layers(policy), policy.active_adapter
    if not all(_can_be_below(layer, adapter) for layer in layers):
        return None
    for layer in layers:
        layer.base_layer = StackedLinear(
            layer.base_layer,
            layer.lora_A[adapter].weight.detach().float(),
            layer.lora_B[adapter].weight.detach().float(),
            layer.scaling[adapter],
        )
    return policy.unload()


def _can_be_below(layer: nn.Module, adapter: str) -> bool:
    return (
        is_plain(layer, adapter)
        # A subclass may be any function of its weights.
        and type(layer.base_layer) in (nn.Linear, StackedLinear)
        and layer.lora_B[adapter].bias is None
        and layer.lora_A[adapter].weight.dtype == torch.float32
    )
