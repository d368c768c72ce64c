"""Tiny policies with a LoRA adapter that changes them, and prompts of unequal lengths."""

import numpy as np
import torch
from tiny_policy import LORA, PAD, VOCABULARY, tiny_model

from prefgrid.models.loading import add_lora
from prefgrid.sampling.request import DecodingOptions

# Several end tokens, so that rows end at different steps.
EOS_IDS = (1, 2, 3, 4)


def lora_policy(strength: float = 0.3, **model_changes):
    """A peft model in eval mode whose adapter differs from its base."""
    return adapted(tiny_model(**model_changes), strength)


def adapted(model, strength: float = 0.3, **lora_changes):
    """`model` in eval mode with an adapter that changes it."""
    return randomised(add_lora(model, **{**LORA, **lora_changes}, seed=1), strength)


def randomised(model, strength: float = 0.3):
    """A peft model in eval mode, its adapter no longer 0."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name or "lora_embedding_A" in name or "modules_to_save" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * strength)
    return model.eval()


def unequal_prompts(count: int = 5, seed: int = 0) -> list[list[int]]:
    """Prompts of 1, 3, 5, … tokens, shuffled."""
    draw = np.random.default_rng(seed)
    lengths = draw.permutation(np.arange(count) * 2 + 1)
    return [draw.integers(5, VOCABULARY, length).tolist() for length in lengths]


def decoding_options(**changes) -> DecodingOptions:
    return DecodingOptions(
        **{"eos_ids": EOS_IDS, "pad_id": PAD, "max_new_tokens": 12, "batch_rows": 64, **changes}
    )


def noise(rows: int, width: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((rows, width))
