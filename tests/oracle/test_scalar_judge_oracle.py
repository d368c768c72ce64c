"""Rewards beside the classifier's own forward, one dialogue at a time, by architecture."""

import pytest
import torch
from tiny_policy import scale_up, tiny_tokenizer
from transformers import (
    AutoModelForSequenceClassification,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from prefgrid.judges.dialogues import render
from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.logprobs import ends

TOKENIZER = tiny_tokenizer()
TOKENIZER.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}<end>{% endfor %}"
SIZES = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_labels": 1,
    # Alone, a row has no padding, and its last token is the last one.
    "pad_token_id": None,
}
WINDOW = {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0}
CONFIGS = {
    "qwen3": Qwen3Config(**SIZES, head_dim=8),
    "qwen2": Qwen2Config(**SIZES),
    "llama": LlamaConfig(**SIZES),
    "mistral": MistralConfig(**SIZES, sliding_window=None),
    "qwen3_window": Qwen3Config(**SIZES, head_dim=8, **WINDOW),
    "llama_both_sides": LlamaConfig(**SIZES, is_causal=False),
}
SHARING = {"qwen3", "qwen2", "llama", "mistral"}
PROMPTS = ["a prompt of more than a few bytes", "", "another one", "a prompt that is alone"]
PAIRS = [
    *((PROMPTS[number % 3], "word " * (number % 5) + "end" * (number % 2)) for number in range(20)),
    (PROMPTS[3], "yes"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for name, config in CONFIGS.items():
        made[name] = tmp_path_factory.mktemp(name)
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_config(config)
        scale_up(model, 6.0).save_pretrained(made[name])
        TOKENIZER.save_pretrained(made[name])
    return made


def assert_own_logits(folder, name, monkeypatch, *, attention="sdpa", **changes) -> list[bool]:
    """Compare; whether the rows of each forward held one sequence each."""
    settings = {"prompt_format": "chat", "max_tokens": 200, "batch_size": 8, **changes}
    judge = ScalarRewardModel(folder, precision="none", device=torch.device("cpu"), **settings)
    judge.model.set_attn_implementation(attention)
    assert judge.reader.shares_prompts == (name in SHARING)
    layouts = []

    def noted(*arguments, **options):
        layouts.append(plan(*arguments, **options))
        return layouts[-1]

    plan = ends.plan
    monkeypatch.setattr(ends, "plan", noted)
    rewards = judge.score(*zip(*PAIRS, strict=True))
    monkeypatch.undo()

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float64).eval()
    form = {key: settings[key] for key in ("prompt_format", "max_tokens")}
    dialogues, _ = render(TOKENIZER, *zip(*PAIRS, strict=True), **form)
    with torch.no_grad():
        expected = [model(torch.tensor([head + tail])).logits.item() for head, tail in dialogues]
    largest = max(map(abs, expected))
    assert max(expected) - min(expected) > 0.2 * largest
    error = max(abs(reward - exact) for reward, exact in zip(rewards, expected, strict=True))
    assert error <= 1e-5 * largest
    return [layout.one_sequence_a_row for layout in layouts]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", CONFIGS)
def test_rewards_are_the_classifiers_own_logits(folders, name, attention, monkeypatch):
    """Packed where the model takes it; otherwise one padded row a dialogue, and its mask."""
    alone = assert_own_logits(folders[name], name, monkeypatch, attention=attention)
    assert (False in alone) == (name in SHARING)


# Raw: an empty prompt, an empty response, and both at once. At 24 tokens prompts lose their start
# or vanish. A batch of one has nothing to share.
@pytest.mark.parametrize(
    ("changes", "packed"),
    [
        ({"prompt_format": "raw"}, True),
        ({"prompt_format": "raw", "max_tokens": 24}, True),
        ({"batch_size": 64}, True),
        ({"batch_size": 1}, False),
    ],
)
def test_whatever_is_cut_empty_or_alone(folders, changes, packed, monkeypatch):
    alone = assert_own_logits(folders["qwen3"], "qwen3", monkeypatch, **changes)
    assert (False in alone) == packed
