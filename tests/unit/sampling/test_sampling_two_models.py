"""Policy and reference in one forward, against peft's own mixed adapter batch."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_decoders import lora_policy
from tiny_policy import tiny_model

from prefgrid.sampling.two_models import policy_above_reference

IDS = torch.tensor([[7, 8, 9], [10, 11, 12], [7, 8, 9], [30, 31, 32]])


@torch.no_grad()
def test_halves_are_those_of_pefts_mixed_batch():
    model = lora_policy()
    expected = model(IDS, adapter_names=["default", "default", "__base__", "__base__"]).logits
    with policy_above_reference(model):
        logits = model(IDS).logits
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits[0], logits[2])  # one prompt, with and without the adapter


@torch.no_grad()
def test_a_bfloat16_model_adds_its_float32_adapter_in_float32():
    model = lora_policy(0.1)
    for name, weight in model.named_parameters():
        if "lora_" not in name:
            weight.data = weight.data.bfloat16()
    expected = model(IDS, adapter_names=["default", "default", "__base__", "__base__"]).logits
    with policy_above_reference(model):
        logits = model(IDS).logits
    assert logits.dtype == expected.dtype == torch.bfloat16
    assert torch.equal(logits[2:], expected[2:])
    # Rounded once where peft rounds twice, in every layer: a step of bfloat16 is 2⁻⁸ of a number.
    torch.testing.assert_close(logits, expected, rtol=0.05, atol=0.05 * expected.abs().max().item())


@torch.no_grad()
def test_the_model_is_as_before_afterwards():
    model = lora_policy()
    before = model(IDS).logits
    with pytest.raises(KeyError), policy_above_reference(model):
        raise KeyError
    assert torch.equal(model(IDS).logits, before)


@pytest.mark.parametrize(
    "changes",
    [{"use_dora": True}, {"target_modules": ["embed_tokens"]}, {"modules_to_save": ["norm"]}],
)
def test_other_adapters_are_refused(changes):
    config = LoraConfig(**{"r": 2, "target_modules": ["q_proj"], **changes})
    model = get_peft_model(tiny_model(tie_word_embeddings=False), config).eval()
    with pytest.raises(ValueError, match="allowed: plain, unmerged LoRA on linear layers"):
        policy_above_reference(model).__enter__()


def test_a_layer_that_does_not_see_whole_rows_is_refused():
    model = lora_policy()
    layer = model.get_decoder().layers[0].self_attn.q_proj
    with policy_above_reference(model), pytest.raises(ValueError, match="rows, tokens, width"):
        layer(torch.zeros(6, 32))
