"""Gradients of a rehearsed model: which there are, and how far two ways to them differ."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


def gradients_of(model: Any, sums: Callable[[], Tensor]) -> dict[str, Tensor]:
    """Of the `sums`' sum, of every trained weight that it depends on."""
    model.zero_grad(set_to_none=True)
    sums().sum().backward()
    return {name: one.grad for name, one in model.named_parameters() if one.grad is not None}


def relative_error(found: Mapping[str, Tensor], plain: Mapping[str, Tensor]) -> float:
    """Euclidean distance of all gradients, as a share of the plain ones' length."""
    zero = torch.zeros(())
    pairs = [(found.get(name, zero), plain.get(name, zero)) for name in {**found, **plain}]
    distances = torch.stack([torch.dist(one.cpu(), other.cpu()) for one, other in pairs])
    lengths = torch.stack([other.cpu().norm() for _, other in pairs])
    return (distances.norm() / lengths.norm()).item()


def check_adapter(policy: Any) -> None:
    """ValueError naming adapted layers that no log-probability depends on.

    Not of parts that read no text (a vision tower), nor of single experts that no token was sent to.
    """
    decoder = {id(weight) for weight in policy.get_base_model().get_decoder().parameters()}
    silent = [
        name
        for name, weight in policy.named_parameters()
        if weight.requires_grad
        and id(weight) in decoder
        and not re.search(r"\.experts\.\d+\.", name)
        and (weight.grad is None or not weight.grad.isfinite().all() or not weight.grad.any())
    ]
    if silent:
        layers = dict.fromkeys(name.partition(".lora_")[0].rpartition(".")[2] for name in silent)
        raise ValueError(
            f"the adapter's gradient of {', '.join(layers)} is absent, 0 or not finite: the model "
            "reads such weights without their adapter; set lora.targets to a list without them"
        )
