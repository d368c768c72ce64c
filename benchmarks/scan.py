"""What a β scan costs, against a plain decode of as many rows by the policy alone.

Both decode prompts × 6 rows with the same prompts, noise and options; the scan runs policy and
reference at every token and mixes their logits, the plain decode the policy. Models are made from
their config, so no row knows when to end: nearly all are decoded to the limit, on both sides.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from transformers import Qwen3Config, Qwen3ForCausalLM

from benchmarks.clock import now
from benchmarks.table import Row
from prefgrid.job import devices
from prefgrid.models.loading import add_lora
from prefgrid.sampling.mixed import sample_mixed
from prefgrid.sampling.request import DecodingOptions
from prefgrid.sampling.transformers_backend import sample_responses

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8"))
WEIGHTS = [1 / beta for beta in (0.25, 0.5, 1.0, 1.5, 2.5, 4.5)]
ROUNDS = 3


@dataclass(frozen=True)
class Shape:
    """A model and what it decodes: `prompts` prompts of `prompt_tokens` tokens."""

    name: str
    architecture: dict[str, Any]
    prompts: int
    prompt_tokens: int
    new_tokens: int


TINY = Shape(
    "tiny world's model",
    CONFIG["tiny_world"]["base"]["architecture"]
    | {"vocab_size": CONFIG["tiny_world"]["tokenizer"]["vocabulary"]},
    prompts=50,
    prompt_tokens=14,
    new_tokens=CONFIG["link_robustness"]["evaluation"]["max_new_tokens"],
)
LARGER = Shape(
    "4 layers, hidden 256, vocabulary 32k",
    {
        "vocab_size": 32_000,
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "intermediate_size": 768,
    },
    prompts=8,
    prompt_tokens=256,
    new_tokens=64,
)


def rows(shapes: tuple[Shape, ...] = (TINY, LARGER)) -> list[Row]:
    """One row a shape: how many plain decodes a scan costs."""
    return [_row(shape) for shape in shapes]


def _row(shape: Shape) -> Row:
    model = _policy(shape)
    draw = np.random.default_rng(0)
    prompts = draw.integers(
        2, shape.architecture["vocab_size"], (shape.prompts, shape.prompt_tokens)
    ).tolist()
    uniforms = draw.random((shape.prompts * len(WEIGHTS), shape.new_tokens))
    first_samples = uniforms[:: len(WEIGHTS)]
    options = DecodingOptions((1,), 0, shape.new_tokens, batch_rows=len(uniforms))
    scan, plain = interleaved_medians(
        lambda: sample_mixed(model, prompts, first_samples, WEIGHTS, options),
        lambda: sample_responses(model, prompts, uniforms, options),
    )
    return Row(
        what=f"scan of {len(WEIGHTS)} β, {len(uniforms)} rows of {shape.new_tokens} tokens: {shape.name}",
        ours=f"{scan:.2f} s",
        other=f"{plain:.2f} s (plain decode)",
        ratio=scan / plain,
        target="<= 3",
    )


def interleaved_medians(*actions: Callable[[], object]) -> list[float]:
    """Median seconds of each action over `ROUNDS` rounds of all of them, after a warm-up round."""
    seconds: list[list[float]] = [[] for _ in actions]
    for round_number in range(ROUNDS + 1):
        for action, times in zip(actions, seconds, strict=True):
            started = now()
            action()  # ends with a transfer from the device
            if round_number:
                times.append(now() - started)
    return [statistics.median(times) for times in seconds]


def _policy(shape: Shape) -> Any:
    """A random model with a random adapter, in evaluation mode on the run's device."""
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(Qwen3Config(**shape.architecture))
    policy = add_lora(model, **CONFIG["training"]["lora"], seed=0)
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    return policy.to(devices.device()).eval()
