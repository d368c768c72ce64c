"""Gradient checkpointing: a layer's activations are computed again in the backward, not kept.

By torch's own `checkpoint` around each layer that the model's class offers for it, and not by the
model's own switch: that one is on only in training mode, which would turn on the dropout of the
base's config too (`dropout`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer


@contextmanager
def applied(model: Any, wanted: bool = True) -> Iterator[None]:
    """Within, where `wanted`, a backward through `model` recomputes each layer's activations.

    model: a transformers model or a peft wrapper of one. Values and gradients are what they are
    without; a forward without gradient is left alone, and an adapter's dropout is replayed.
    ValueError where the model's class does not support it.
    """
    layers = _layers(model) if wanted else []
    for layer in layers:
        layer.forward = _recomputed(layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _layers(model: Any) -> list[nn.Module]:
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    layers = [one for one in base.modules() if isinstance(one, GradientCheckpointingLayer)]
    if not layers or not base.supports_gradient_checkpointing:
        raise ValueError(
            f"{type(base).__name__} does not support gradient checkpointing; allowed: "
            "training.gradient_checkpointing: false"
        )
    return layers


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    def checkpointed(*args: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **named)
        return checkpoint(forward, *args, use_reentrant=False, **named)

    return checkpointed
