"""What training steps are compared on: a model's shape, its random weights and random pairs."""

import random
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from prefgrid.training.batches import Group

PAD, END = 0, 1


@dataclass(frozen=True)
class Shape:
    """Model, data and repetitions of one comparison. loss_tolerance: |difference| in nats."""

    architecture: dict[str, Any]
    pairs: int
    prompt: int
    responses: tuple[int, int]
    steps: int
    rounds: int
    loss_tolerance: float


CPU = Shape(
    {
        "vocab_size": 32_000,
        "hidden_size": 256,
        "intermediate_size": 768,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 128,
    },
    pairs=4,
    prompt=256,
    responses=(64, 128),
    steps=3,
    rounds=3,
    loss_tolerance=1e-4,
)
# Qwen3-0.6B.
GPU = Shape(
    {
        "vocab_size": 151_936,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
    pairs=16,
    prompt=256,
    responses=(64, 128),
    steps=12,
    rounds=3,
    # 8 bits of hidden states: sums of 100 tokens differ by about 0.1 nats, times β.
    loss_tolerance=0.05,
)


def model(shape: Shape, dtype: torch.dtype) -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    config = Qwen3Config(
        **shape.architecture,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=END,
        pad_token_id=PAD,
    )
    made = Qwen3ForCausalLM(config).to(dtype)
    made.set_attn_implementation("sdpa")
    return made.eval()


def pairs(shape: Shape) -> list[Group]:
    draw = random.Random(0)

    def tokens(count: int) -> list[int]:
        return [draw.randrange(2, shape.architecture["vocab_size"]) for _ in range(count)]

    def response() -> list[int]:
        return [*tokens(draw.randint(*shape.responses) - 1), END]

    return [
        Group(tokens(shape.prompt), [response(), response()], float(number % 2))
        for number in range(shape.pairs)
    ]


def flops_a_step(shape: Shape, groups: list[Group]) -> float:
    """What one step on all groups must do, for N weights in the linear layers of the decoder, tokens T
    with shared prompts, response tokens S, pairs of tokens that see each other A, vocabulary V and
    hidden size H: forward 2·N·T + 2·V·H·S + 4·layers·queries·A, and as much again for gradients of
    activations (attention twice); frozen weights have no gradient, and the adapter's own products are
    left out.
    """
    sizes = shape.architecture
    queries = sizes["num_attention_heads"] * sizes["head_dim"]
    keys = sizes["num_key_value_heads"] * sizes["head_dim"]
    layers, hidden = sizes["num_hidden_layers"], sizes["hidden_size"]
    weights = layers * hidden * (2 * queries + 2 * keys + 3 * sizes["intermediate_size"])
    scored = sum(len(response) for group in groups for response in group.responses)
    tokens = scored + sum(len(group.prompt_tokens) for group in groups)
    seen = 0
    for group in groups:
        prompt = len(group.prompt_tokens)
        seen += prompt * (prompt + 1) / 2
        seen += sum(len(r) * prompt + len(r) * (len(r) + 1) / 2 for r in group.responses)
    linear = 2 * weights * tokens + 2 * sizes["vocab_size"] * hidden * scored
    return 2 * linear + 3 * 4 * layers * queries * seen
