"""Packed and prompt-sharing rows beside one plain float64 forward a sequence, by architecture."""

import copy
import random

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from prefgrid.logprobs import planning, sequence
from prefgrid.logprobs.planning import plan, takes_packed_rows
from prefgrid.logprobs.sequence import response_logps, sequence_logps
from prefgrid.logprobs.table import dataset_logps
from prefgrid.models.loading import add_lora

VOCABULARY = 50
PAD = 0
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": PAD,
    "bos_token_id": None,
    "eos_token_id": 1,
}
WINDOW = {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0}
VISION = {
    "depth": 1,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_heads": 2,
    "out_hidden_size": 32,
}
MROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
MODELS = {
    "qwen3": (Qwen3ForCausalLM, lambda: Qwen3Config(**SIZES, head_dim=8)),
    "qwen3_window": (Qwen3ForCausalLM, lambda: Qwen3Config(**SIZES, head_dim=8, **WINDOW)),
    "qwen2": (Qwen2ForCausalLM, lambda: Qwen2Config(**SIZES)),
    "llama": (LlamaForCausalLM, lambda: LlamaConfig(**SIZES)),
    "mistral": (MistralForCausalLM, lambda: MistralConfig(**SIZES, sliding_window=None)),
    "mistral_window": (MistralForCausalLM, lambda: MistralConfig(**SIZES, sliding_window=4)),
    "gemma2": (
        Gemma2ForCausalLM,
        lambda: Gemma2Config(**SIZES, head_dim=8, sliding_window=4, final_logit_softcapping=2.0),
    ),
    "qwen2_5_vl": (
        Qwen2_5_VLForConditionalGeneration,
        lambda: Qwen2_5_VLConfig(
            text_config={**SIZES, "rope_parameters": MROPE}, vision_config=VISION
        ),
    ),
}
PACKED = {"qwen3", "qwen2", "llama", "mistral"}
# |difference| allowed, of the largest value in the compared tensor.
FLOAT32 = 1e-5


def make(name: str, attention: str = "sdpa"):
    """Random weights, scaled up so that distributions are far from uniform."""
    torch.manual_seed(0)
    architecture, config = MODELS[name]
    model = architecture(config()).eval()
    model.set_attn_implementation(attention)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(6)
    return model


def ragged_groups(seed: int = 0, counts=(2, 1, 4, 2, 3)):
    """Prompts of 8-20 tokens, responses of 1-7, another number of them at every prompt."""
    draw = random.Random(seed)

    def tokens(low: int, high: int) -> list[int]:
        return [draw.randrange(2, VOCABULARY) for _ in range(draw.randint(low, high))]

    return [tokens(8, 20) for _ in counts], [[tokens(1, 7) for _ in range(k)] for k in counts]


def separately(model, prompts, responses) -> torch.Tensor:
    """[R] nats, one forward a sequence: full logits of the model's own head, log softmax, sum."""
    sums = []
    for prompt, group in zip(prompts, responses, strict=True):
        for response in group:
            logits = model(input_ids=torch.tensor([[*prompt, *response]])).logits[0]
            logps = logits.log_softmax(-1)[len(prompt) - 1 : -1]
            sums.append(logps.gather(1, torch.tensor(response)[:, None]).sum())
    return torch.stack(sums)


def weighted_gradients(model, sums: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of Σ wᵢ·sumᵢ, by the name of the weight."""
    weights = torch.linspace(-1, 1, len(sums), dtype=sums.dtype)
    model.zero_grad()
    (weights * sums).sum().backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_near(ours: torch.Tensor, exact: torch.Tensor, share: float, name: str = "") -> None:
    error = (ours.detach().double() - exact.detach().double()).abs().max()
    assert error <= share * exact.abs().max(), f"{name}: off by {error} of {exact.abs().max()}"


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", MODELS)
def test_values_and_gradients_equal_separate_forwards(name, attention):
    model, groups = make(name, attention), ragged_groups()
    config = model.config.get_text_config()
    assert takes_packed_rows(config) == (name in PACKED)
    assert plan(config, *groups, pad_id=PAD).one_sequence_a_row == (name not in PACKED)
    sums, lengths = response_logps(model, *groups, pad_id=PAD)
    gradients = weighted_gradients(model, sums)
    exact_model = copy.deepcopy(model).double()
    exact = separately(exact_model, *groups)
    assert_near(sums, exact, FLOAT32)
    assert lengths.tolist() == [len(response) for group in groups[1] for response in group]
    expected = weighted_gradients(exact_model, exact)
    assert gradients.keys() == expected.keys() and len(gradients) > 10
    for weight, gradient in expected.items():
        assert_near(gradients[weight], gradient, FLOAT32, weight)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_adapter_gradients_equal_separate_forwards(attention):
    """LoRA: the output layer is frozen, so only the stored direction carries the gradient."""
    model, groups = make("qwen3", attention), ragged_groups(1)
    model = add_lora(model, rank=4, alpha=8, dropout=0.0, targets="all-linear", seed=0)
    assert not plan(model.config, *groups, pad_id=PAD).one_sequence_a_row
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05, generator=torch.Generator().manual_seed(1))
    sums, _ = response_logps(model, *groups, pad_id=PAD)
    gradients = weighted_gradients(model, sums)
    exact_model = copy.deepcopy(model).double()
    exact = separately(exact_model, *groups)
    assert_near(sums, exact, FLOAT32)
    expected = weighted_gradients(exact_model, exact)
    assert gradients.keys() == expected.keys() and all("lora" in name for name in gradients)
    for name, gradient in expected.items():
        assert_near(gradients[name], gradient, FLOAT32, name)


@pytest.mark.parametrize("budget", [1.0, 1.3, 2.0, 10.0])
def test_row_budget_moves_nothing(budget, monkeypatch):
    model, groups = make("qwen3"), ragged_groups(2)
    exact = separately(copy.deepcopy(model).double(), *groups)
    rows = []

    def planned(*arguments, **options):
        layout = plan(*arguments, **options, row_budgets=[budget])
        rows.append(len(layout.input_ids))
        return layout

    monkeypatch.setattr(sequence, "plan", planned)
    # Else the widest rows would lose against padded ones.
    monkeypatch.setattr(planning, "_cost", lambda config, candidate: len(candidate[2]))
    sums, _ = response_logps(model, *groups, pad_id=PAD)
    assert_near(sums, exact, FLOAT32)
    assert rows[0] == 1 if budget == 10 else 1 < rows[0] <= len(groups[0])


@torch.no_grad()
def test_order_and_company_of_groups_move_nothing():
    model, (prompts, responses) = make("qwen3"), ragged_groups(3, counts=(2,) * 6)
    sums, _ = sequence_logps(model, prompts, responses, pad_id=PAD)
    order = [4, 0, 5, 2, 1, 3]
    permuted, _ = sequence_logps(
        model, [prompts[g] for g in order], [responses[g] for g in order], pad_id=PAD
    )
    assert_near(permuted, sums[order], FLOAT32)
    swapped, _ = sequence_logps(model, prompts, [r[::-1] for r in responses], pad_id=PAD)
    assert_near(swapped, sums.flip(1), FLOAT32)
    for size in (1, 2, 4):
        parts = [
            sequence_logps(model, prompts[g : g + size], responses[g : g + size], pad_id=PAD)[0]
            for g in range(0, 6, size)
        ]
        assert_near(torch.cat(parts), sums, FLOAT32)
        table, _ = dataset_logps(model, prompts, responses, pad_id=PAD, batch_size=size)
        assert_near(table, sums, FLOAT32)


def test_same_inputs_give_the_same_bytes():
    runs = []
    for _ in range(2):
        model, groups = make("qwen3"), ragged_groups(4)
        sums, _ = response_logps(model, *groups, pad_id=PAD)
        runs.append((sums, weighted_gradients(model, sums)))
    assert torch.equal(runs[0][0], runs[1][0])
    assert all(torch.equal(runs[0][1][name], runs[1][1][name]) for name in runs[0][1])


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("how", ["weights", "autocast"])
def test_bfloat16_is_as_near_as_separate_bfloat16_forwards(how, attention):
    """bfloat16 hidden states carry 8 bits (steps of 2⁻⁸), whatever the layout; another order of
    the same sums then rounds another way. So packed rows must be as near to float64 as separate
    bfloat16 forwards with a float32 head are, up to the luck of single roundings (2×)."""
    model, groups = make("qwen3", attention), ragged_groups(5)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.bfloat16())  # rounding of the weights themselves is not at issue
    exact = separately(copy.deepcopy(model).double(), *groups)
    if how == "weights":
        model.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"), torch.no_grad():
        packed, _ = response_logps(model, *groups, pad_id=PAD)
        alone = [
            response_logps(model, [prompt], [[response]], pad_id=PAD)[0]
            for prompt, group in zip(*groups, strict=True)
            for response in group
        ]
    assert packed.dtype == torch.float32
    error = (packed - exact).square().mean().sqrt()
    assert error <= 2 * (torch.cat(alone) - exact).square().mean().sqrt()
    assert error <= 0.02 * exact.square().mean().sqrt()
