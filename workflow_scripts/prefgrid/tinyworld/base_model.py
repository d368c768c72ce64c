"""The tiny world's base model: a real Qwen3ForCausalLM, trained from scratch on its dialogues.

Two settings decide whether it learns to copy from its prompt at all: with the class's own
initializer_range 0.02 and rope_theta 1e4 it is fluent but ignores the prompt; with 0.08 and 1e3 it
copies within some hundred steps.
Attention starts out as token matching, which helps the reward model later (`match_tokens`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from prefgrid import chat, seeding
from prefgrid.limits.tiny_world import POSITIONS
from prefgrid.objectives import sft
from prefgrid.tinyworld.schedule import FixedOrder, passes
from prefgrid.training.batches import Group
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.step import PolicyForward


def new_model(tokenizer: Any, architecture: dict[str, Any], seed: int) -> Qwen3ForCausalLM:
    """An untrained model. `architecture` holds fields of Qwen3Config, and `rope_theta`.

    ValueError if head_dim is neither 32 nor 64, which the kernels of other components need. The
    global random state is left as it was.
    """
    sizes = dict(architecture)
    if sizes["head_dim"] not in (32, 64):
        raise ValueError(f"tiny_world.base.head_dim = {sizes['head_dim']}; allowed: 32, 64")
    theta = sizes.pop("rope_theta")
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        dtype="float32",
        **sizes,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seeding.torch_seed(seed, "tiny base start"))
        model = Qwen3ForCausalLM(config)
    match_tokens(model)
    return model


@torch.no_grad()
def match_tokens(model: Qwen3ForCausalLM) -> None:
    """Give each query head its key head's weights, so that a token attends to its own likes.

    An initialisation only: training is free to change it. With it, the reward model of the default
    config comes to see whether a response names its prompt's animal and place; without it, in both
    of two seeds, the place not at all. After Trockman and Kolter, "Mimetic initialization of
    self-attention layers", ICML 2023.
    """
    for layer in model.model.layers:
        attention = layer.self_attn
        shape = (-1, attention.head_dim, attention.k_proj.weight.shape[1])
        keys = attention.k_proj.weight.view(shape)
        per_key = attention.num_key_value_groups
        attention.q_proj.weight.copy_(keys.repeat_interleave(per_key, dim=0).flatten(0, 1))


def train_base(
    tokenizer: Any,
    dialogues: Sequence[tuple[str, str]],
    architecture: dict[str, Any],
    options: TrainingOptions,
    whole_text_share: float,
    seed: int,
    *,
    failure_path: Path | str,
    work: Path | None = None,
) -> Qwen3ForCausalLM:
    """Train a base model on (prompt, response) dialogues in the chat format.

    The loss is on all tokens for the first `whole_text_share` of the steps, then on the responses
    and their end token only. `failure_path` and `work` are those of `train`, and so are the errors.
    """
    model = new_model(tokenizer, architecture, seed)
    prompts = [chat.render_prompt(tokenizer, prompt, "chat") for prompt, _ in dialogues]
    end = chat.end_id(tokenizer, "chat")
    responses = [
        chat.encode_responses(tokenizer, prompt, [response], "chat", end)[0]
        for prompt, response in dialogues
    ]
    texts = list(zip(prompts, responses, strict=True))
    # Each dialogue is two rows: first come all whole texts, then all responses.
    groups = [Group(prompt[:1], [prompt[1:] + response]) for prompt, response in texts]
    groups += [Group(prompt, [response]) for prompt, response in texts]
    order = passes(len(texts), options, seeding.stream(seed, "tiny base order"))
    order[round(whole_text_share * options.max_steps) :] += len(texts)
    train(
        PolicyForward(model, groups, options, tokenizer.pad_token_id),
        sft.Objective({}, options.schedule(len(groups), seed)),
        metrics_path=None,
        failure_path=failure_path,
        order=FixedOrder(order),
        work=work,
    )
    return model
