"""The output layer: in float32 inside a model's own forward, and what the model does to its logits.

A bfloat16 output layer rounds logits to about three digits. Two nearly equal models then seem to
differ at every token, which adds up to a KL that is not there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# What configs call a factor or a divisor of the logits, and their cap. A family that calls it
# otherwise, or means something else by a name, is found by `agreement`.
FACTORS = ("logit_scale", "lm_head_multiplier")
DIVISORS = ("logits_scaling",)
CAPS = ("final_logit_softcapping", "logits_soft_cap")


class Float32Linear(nn.Module):
    """`linear` applied in float32 to hidden states of any dtype; keeps its own float32 weights."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", linear.weight.detach().float())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())

    def forward(self, hidden: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            return F.linear(hidden.float(), self.weight, self.bias)


def plain_output_layer(model: Any) -> nn.Linear:
    """The output layer of a causal model or a peft wrapper; ValueError unless plain and linear."""
    layer = model.get_output_embeddings()
    if type(layer) is not nn.Linear:
        raise ValueError(
            f"the output layer is a {type(layer).__name__}: float32 logits need a plain linear "
            "one; take it out of the adapter's targets"
        )
    return layer


def logit_scale(config: Any) -> float:
    """By how much a model with this text config multiplies its logits."""
    scale = 1.0
    for factor in _numbers(config, FACTORS):
        scale *= factor
    for divisor in _numbers(config, DIVISORS):
        scale /= divisor
    return scale


def logit_cap(config: Any) -> float | None:
    """c where a model with this text config bounds its logits to c · tanh(logits / c); else None."""
    return next(iter(_numbers(config, CAPS)), None)


def next_logits(model: Any, hidden: Tensor, tokens: Sequence[int]) -> Tensor:
    """float32 [P, T]: the logits of `tokens` behind last hidden states [P, H] of a causal model, scaled
    and bounded as its own forward does it; none of the rest of the vocabulary is computed."""
    layer, config = plain_output_layer(model), model.config.get_text_config()
    chosen = torch.tensor(tokens, device=hidden.device)
    bias = None if layer.bias is None else layer.bias[chosen].float()
    logits = F.linear(hidden.float(), layer.weight[chosen].float(), bias) * logit_scale(config)
    cap = logit_cap(config)
    return logits if cap is None else cap * torch.tanh(logits / cap)


def _numbers(config: Any, names: tuple[str, ...]) -> list[float]:
    values = (getattr(config, name, None) for name in names)
    return [value for value in values if isinstance(value, int | float)]


@contextmanager
def float32_output_layer(model: Any) -> Iterator[None]:
    """Within, `model` gives float32 logits computed in float32 from its last hidden states.

    `model` is a causal model or a peft wrapper of one. Only the output layer is exchanged, so
    adapters, tied embeddings and whatever the model does to its logits stay as they are. Weights
    that are float32 already are left alone. Raises ValueError for an output layer that is not a
    plain linear one.
    """
    layer = plain_output_layer(model)
    if layer.weight.dtype == torch.float32:
        yield
        return
    model.set_output_embeddings(Float32Linear(layer))
    try:
        yield
    finally:
        model.set_output_embeddings(layer)
