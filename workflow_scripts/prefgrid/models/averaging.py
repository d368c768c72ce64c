"""The policy whose weights are the mean of iterates 1..T, each of which starts from the one before.

Iterate t is the reference plus the updates ΔW_1..ΔW_t of its iterations, so the mean is the reference plus
Σ_s (T − s + 1)/T · ΔW_s. Self-play's guarantee is for the mixture of all iterates (SPPO, arXiv 2405.00675),
of which this is the one model that costs no more to run than any other.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prefgrid.models import loading
from prefgrid.models.adapted_layers import adapted_layers, is_plain

# Layer → A [rank, in] and (alpha/rank)·B [out, rank] of its adapter.
LowRank = dict[str, tuple[Tensor, Tensor]]


def averaged(reference: Path | str, policies: Sequence[Path | str]) -> Any:
    """The mean of iterates 1..T in `policies` (folders, oldest first), in float32, on the CPU.

    Adapters that are plain LoRA give one adapter on the bare reference, its rank the sum of theirs: A's one below
    the other, and B's side by side, each times its scaling and its share. Others, and policies of all weights, give a
    whole model. ValueError for a mix of adapters and whole models, and as `loading.load_stack` for folders.
    """
    whole = [str(one) for one in policies if not loading.is_adapter(one)]
    if 0 < len(whole) < len(policies):
        raise ValueError(
            f"{', '.join(whole)}: whole models among adapters have no mean with them here; allowed: "
            "policies that are all adapters, or all whole models"
        )
    if not whole:
        model, updates = loading.load_causal_lm(reference), []
        for policy in policies:
            wrapped = loading.load_adapter(model, policy)
            updates.append(_low_rank(wrapped))
            model = wrapped.unload()
        if None not in updates:
            return _joined(model, updates)
    return _mean(reference, policies)


def _low_rank(policy: Any) -> LowRank | None:
    """None if the adapter is more than plain LoRA."""
    adapter, found = policy.active_adapter, {}
    layers = adapted_layers(policy)
    for name, layer in policy.get_base_model().named_modules():
        if layer in layers:
            if not is_plain(layer, adapter) or layer.lora_B[adapter].bias is not None:
                return None
            low, high = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
            found[name] = low.detach().clone(), layer.scaling[adapter] * high.detach()
    return found if len(found) == len(layers) else None


def _joined(model: Any, updates: Sequence[LowRank]) -> Any:
    """`model` with the adapter whose update is Σ_s (T − s + 1)/T · ΔW_s; s from 1."""
    count = len(updates)
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for before, update in enumerate(updates):
        for name, (low, high) in update.items():
            parts.setdefault(name, []).append((low, high * ((count - before) / count)))
    joined = {
        name: (torch.cat([low for low, _ in one]), torch.cat([high for _, high in one], dim=1))
        for name, one in parts.items()
    }
    # Where a layer has less, the rest is 0.
    rank = max(len(low) for low, _ in joined.values())
    policy = loading.add_lora(
        model, rank=rank, alpha=rank, dropout=0.0, targets=sorted(joined), seed=0
    )
    with torch.no_grad():
        for name, (low, high) in joined.items():
            layer = policy.get_base_model().get_submodule(name)
            for weight, value in zip(
                (layer.lora_A.default.weight, layer.lora_B.default.weight.T),
                (low, high.T),
                strict=True,
            ):
                weight.zero_()[: len(value)] = value
    return policy.eval()


def _mean(reference: Path | str, policies: Sequence[Path | str]) -> Any:
    mean = loading.load_stack(reference, policies[:1])
    for count in range(2, len(policies) + 1):
        iterate = loading.load_stack(reference, policies[:count])
        with torch.no_grad():
            for total, weight in zip(mean.parameters(), iterate.parameters(), strict=True):
                total.lerp_(weight, 1 / count)
    return mean
