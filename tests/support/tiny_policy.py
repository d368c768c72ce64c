"""Tiny random models, a tokenizer and training groups, made in memory, for the tests beside it."""

import random

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from prefgrid.logprobs.table import dataset_logps
from prefgrid.models.loading import add_lora
from prefgrid.training.batches import Group

# Tensors this small gain nothing from a second thread and wait for it on a busy machine.
torch.set_num_threads(1)

VOCABULARY = 60
PAD = 0
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}


def tiny_model(seed: int = 0, *, factor: float = 6.0, **changes) -> Qwen3ForCausalLM:
    """Random weights, scaled up by `factor` so that distributions are far from uniform."""
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": 1,
        "pad_token_id": PAD,
    }
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(Qwen3Config(**{**settings, **changes})).eval()
    return scale_up(model, factor)


def scale_up(model, factor: float):
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(factor)
    return model


def tiny_lora(seed: int = 0, adapter_seed: int = 1, **changes):
    return add_lora(tiny_model(seed), **{**LORA, **changes}, seed=adapter_seed)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level, 256 bytes and two specials."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*alphabet, "<pad>", "<end>"])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<end>")


def random_groups(count: int, *, responses: int = 2, labels: bool = True, seed: int = 0):
    """Groups with prompts of 2-6 and responses of 1-7 tokens."""
    draw = random.Random(seed)

    def tokens(low: int, high: int) -> list[int]:
        return [draw.randrange(2, VOCABULARY) for _ in range(draw.randint(low, high))]

    return [
        Group(
            tokens(2, 6),
            [tokens(1, 7) for _ in range(responses)],
            float(draw.randrange(2)) if labels else None,
        )
        for _ in range(count)
    ]


def logps_of(model, groups, batch_size: int = 8) -> torch.Tensor:
    return dataset_logps(
        model,
        [group.prompt_tokens for group in groups],
        [group.responses for group in groups],
        pad_id=PAD,
        batch_size=batch_size,
    )[0]


def trainable_of(model) -> dict[str, torch.Tensor]:
    return {
        name: weight.detach().clone()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }
