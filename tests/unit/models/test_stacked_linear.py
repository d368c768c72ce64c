"""Earlier adapters of a half-precision stack: not merged, and to the last bit the policies they were."""

import peft
import pytest
import torch
from tiny_decoders import randomised
from tiny_families import FAMILIES, tiny_decoder
from tiny_policy import LORA, logps_of, random_groups, tiny_tokenizer
from torch import nn

from prefgrid.models.adapted_layers import adapted_layers
from prefgrid.models.loading import (
    DTYPES,
    add_lora,
    load_adapter,
    load_causal_lm,
    load_stack,
    save_adapter,
    save_model,
)
from prefgrid.models.stacked_linear import StackedLinear
from prefgrid.sampling.two_models import policy_and_reference

IDS = torch.tensor([[7, 8, 9, 4], [10, 11, 12, 4]])
# What a policy and the stack that it becomes may differ by, and a policy and its reference at step 0.
SAME_NATS = 0.02
# Whose "all-linear" layers are not all plain linear ones: Conv1D; fused experts.
MERGED = {"gpt2", "mixtral", "qwen3_moe", "deepseek_v2", "deepseek_v3", "qwen3_next"}
# peft refuses "all-linear" of these; and what is asked for in its place.
TARGETS = {"falcon_h1": ["q_proj", "down_proj"]}


def iterate(root, family="qwen3", precision="bf16", policies=2, strength=0.02, factor=3.0, **lora):
    """(reference, adapters) in folders below `root`: each adapter on the stack of those before it."""
    reference, adapters = root / "reference", []
    model = tiny_decoder(family, factor, vocab_size=258)
    save_model(reference, model, tiny_tokenizer())
    for number in range(policies):
        policy = add_lora(
            load_stack(reference, adapters, precision), **{**LORA, **lora}, seed=number
        )
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for name, weight in policy.named_parameters():
                if "lora_B" in name:
                    weight.copy_(strength * torch.randn(weight.shape, generator=generator))
        adapters.append(root / f"policy {number}")
        save_adapter(adapters[-1], policy)
    return reference, adapters


@torch.no_grad()
def logits_of(model):
    return model(input_ids=IDS).logits.float()


def merged(reference, adapters, precision):
    """What a stack was before: merged in float32, and its weights rounded."""
    model = load_stack(reference, adapters)
    for weight in model.parameters():
        weight.data = weight.data.to(DTYPES[precision])
    return model


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_layer_is_the_sum_by_hand_rounded_after_each_adapter(dtype):
    torch.manual_seed(0)
    hidden, base = torch.randn(3, 5, dtype=dtype), nn.Linear(5, 4, dtype=dtype)
    adapters = [
        (torch.randn(2, 5), torch.randn(4, 2), 3.0),
        (torch.randn(1, 5), torch.randn(4, 1), 0.5),
    ]
    layer, expected = base, base(hidden)
    for low, high, scaling in adapters:
        layer = StackedLinear(layer, low, high, scaling)
        added = scaling * (hidden.float() @ low.T) @ high.T
        expected = (expected.float() + added).to(dtype)
    assert layer.weight is base.weight and layer.bias is base.bias
    found = layer(hidden)
    assert found.dtype == dtype
    spacing = torch.finfo(dtype).eps * expected.float().abs().max().item()
    torch.testing.assert_close(found, expected, rtol=0, atol=spacing)
    exact = base.double()(hidden.double())
    for low, high, scaling in adapters:
        exact += scaling * (hidden.double() @ low.double().T) @ high.double().T
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=3 * spacing)


@pytest.mark.parametrize("precision", ["none", "bf16", "fp16"])
def test_an_iterate_is_the_policy_that_it_was_trained_and_evaluated_as(tmp_path, precision):
    """In all three iterations, the sampler `load_stack(..t)` is `load_adapter(load_stack(..t−1), t)`; at step
    0 of iteration t the policy is its reference, adapter off or on."""
    reference, adapters = iterate(tmp_path, precision=precision, policies=3)
    groups = random_groups(20)
    for number, adapter in enumerate(adapters):
        stack = load_stack(reference, adapters[:number], precision)
        start = logps_of(stack, groups)
        fresh = add_lora(stack, **LORA, seed=9).eval()
        assert torch.equal(logps_of(fresh, groups), start)
        with fresh.disable_adapter():
            assert torch.equal(logps_of(fresh, groups), start)
        policy = load_adapter(load_stack(reference, adapters[:number], precision), adapter).eval()
        found = logps_of(policy, groups)
        with policy.disable_adapter():
            assert torch.equal(logps_of(policy, groups), start)
        assert (found - start).abs().max() > 10 * SAME_NATS
        after = logps_of(load_stack(reference, adapters[: number + 1], precision), groups)
        torch.testing.assert_close(after, found, rtol=0, atol=SAME_NATS / 100)


def test_merging_and_rounding_moves_indices_beyond_the_bound(tmp_path):
    """Why a stack is not merged in bfloat16: against the policy that it was, a merged and rounded one has pair
    indices off by more than the .02 nats at which training refuses to start, and the unmerged one by none."""
    reference, adapters = iterate(tmp_path, strength=0.2, factor=6.0)
    groups = random_groups(60)
    policy = load_adapter(load_stack(reference, adapters[:1], "bf16"), adapters[1]).eval()
    was = logps_of(policy, groups)

    def index_sd(model) -> float:
        moved = logps_of(model, groups) - was
        return (moved[:, 1] - moved[:, 0]).std().item()

    # Indices as large as those of a trained policy; .031 of it, measured.
    assert 2 < index_sd(load_stack(reference, adapters[:1], "bf16")) < 3
    assert index_sd(merged(reference, adapters, "bf16")) > SAME_NATS
    assert index_sd(load_stack(reference, adapters, "bf16")) < 1e-6
    # In float32 the two are one.
    was = logps_of(load_adapter(load_stack(reference, adapters[:1]), adapters[1]).eval(), groups)
    assert index_sd(load_stack(reference, adapters)) < 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_of_every_family_the_stack_is_the_policy_or_is_merged_and_rounded(tmp_path, family):
    targets = TARGETS.get(family, "all-linear")
    reference, adapters = iterate(tmp_path, family, targets=targets)
    stack = load_stack(reference, adapters, "bf16")
    stacked = [layer for layer in stack.modules() if isinstance(layer, StackedLinear)]
    if family in MERGED:
        assert not stacked
        assert torch.equal(logits_of(stack), logits_of(merged(reference, adapters, "bf16")))
        return
    policy = load_adapter(load_stack(reference, adapters[:1], "bf16"), adapters[1]).eval()
    assert len(stacked) == len(adapted_layers(policy)) > 0
    assert {len(layer.adapters()) for layer in stacked} == {2}
    assert torch.equal(logits_of(stack), logits_of(policy))
    assert not torch.equal(logits_of(stack), logits_of(load_causal_lm(reference, "bf16")))


def test_adapters_of_other_layers_and_ranks_stack(tmp_path):
    reference, [one] = iterate(tmp_path, policies=1, rank=3, targets=["q_proj"])
    policy = randomised(
        add_lora(
            load_stack(reference, [one], "bf16"),
            **{**LORA, "targets": ["q_proj", "down_proj"], "alpha": 2},
            seed=5,
        ),
        0.05,
    )
    save_adapter(tmp_path / "two", policy)
    stack = load_stack(reference, [one, tmp_path / "two"], "bf16")
    assert torch.equal(logits_of(stack), logits_of(policy))
    counts = [
        len(layer.adapters()) for layer in stack.modules() if isinstance(layer, StackedLinear)
    ]
    assert sorted(counts) == [1, 1, 2, 2]


@pytest.mark.parametrize(
    "changes",
    [{"use_dora": True}, {"lora_bias": True}, {"target_modules": ["embed_tokens"]}],
    ids=str,
)
def test_what_is_more_than_lora_on_linear_layers_is_merged_and_rounded(tmp_path, capsys, changes):
    reference, [one] = iterate(tmp_path, "phi", policies=1)
    settings = {"r": 2, "lora_alpha": 2, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}
    config = peft.LoraConfig(**{**settings, **changes})
    policy = randomised(peft.get_peft_model(load_stack(reference, [one], "bf16"), config), 0.05)
    save_adapter(tmp_path / "more", policy)
    assert "rounded" not in capsys.readouterr().err
    stack = load_stack(reference, [one, tmp_path / "more"], "bf16")
    said = capsys.readouterr().err
    assert f"{tmp_path / 'more'}: more than plain LoRA on linear layers, so all are merged" in said
    assert said.count("rounded to bf16") == 1
    assert not [layer for layer in stack.modules() if isinstance(layer, StackedLinear)]
    expected = merged(reference, [one, tmp_path / "more"], "bf16")
    assert torch.equal(logits_of(stack), logits_of(expected))


@torch.no_grad()
def test_decoding_reads_policy_and_stack_in_one_forward(tmp_path):
    reference, adapters = iterate(tmp_path)
    policy = load_adapter(load_stack(reference, adapters[:1], "bf16"), adapters[1]).eval()
    expected = logits_of(policy)
    with policy.disable_adapter():
        stack = logits_of(policy)
    with policy_and_reference(policy) as passes:
        assert [one.copies for one in passes] == [2]
        found = policy(input_ids=IDS.repeat(2, 1)).logits.float()
    torch.testing.assert_close(found[2:], stack, rtol=0, atol=1e-6)
    # Rounded alike but for the order of a float32 sum, which now and then decides a last bit.
    torch.testing.assert_close(found[:2], expected, rtol=0.02, atol=0.02)
    assert (expected - stack).abs().max() > 0.2


@pytest.mark.parametrize("precision", ["none", "bf16"])
def test_an_adapter_of_another_base_is_refused_on_a_stack(tmp_path, precision):
    reference, [one] = iterate(tmp_path / "one", policies=1)
    _, [other] = iterate(tmp_path / "other", "phi", policies=1)
    with pytest.raises(ValueError, match="other/policy 0: the adapter does not fit the model"):
        load_stack(reference, [one, other], precision)
