"""Policy and reference in one forward, against peft's own mixed adapter batch."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_decoders import adapted, decoding_options, lora_policy, randomised
from tiny_families import tiny_decoder
from tiny_policy import tiny_model

from prefgrid.sampling.decode import decode
from prefgrid.sampling.passes import Pass
from prefgrid.sampling.two_models import policy_and_reference

IDS = torch.tensor([[7, 8, 9], [10, 11, 12], [7, 8, 9], [30, 31, 32]])


@torch.no_grad()
def test_halves_are_those_of_pefts_mixed_batch():
    model = lora_policy()
    expected = model(IDS, adapter_names=["default", "default", "__base__", "__base__"]).logits
    with policy_and_reference(model):
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
    with policy_and_reference(model):
        logits = model(IDS).logits
    assert logits.dtype == expected.dtype == torch.bfloat16
    assert torch.equal(logits[2:], expected[2:])
    # Rounded once where peft rounds twice, in every layer: a step of bfloat16 is 2⁻⁸ of a number.
    torch.testing.assert_close(logits, expected, rtol=0.05, atol=0.05 * expected.abs().max().item())


@torch.no_grad()
def test_the_model_is_as_before_afterwards():
    model = lora_policy()
    before = model(IDS).logits
    with pytest.raises(KeyError), policy_and_reference(model):
        raise KeyError
    assert torch.equal(model(IDS).logits, before)


# --- against plain forwards, whatever the adapted layers see ----------------------------------------

PROMPTS = [[7, 8, 9, 10, 11], [20], [30, 31, 32]]


def readings(model, passes):
    """Greedy steps of two responses a prompt, the second of which leaves the batch in step 2.

    Returns ([(row numbers, logits [2, rows, V])] of every step, texts by row).
    """
    steps, texts = [], [list(prompt) for prompt in PROMPTS for _ in range(2)]

    def choose(logits, rows, uniform, live):
        steps.append((rows.tolist(), logits.clone()))
        token = logits.sum(0)[:, 1:].argmax(-1) + 1
        token = token.masked_fill(rows % 2 == 1, len(steps) % 2)
        for row, one in zip(steps[-1][0], token.tolist(), strict=True):
            texts[row].append(one)
        return token

    uniforms = torch.zeros(len(texts), 4, dtype=torch.float64)
    options = decoding_options(max_new_tokens=4, eos_ids=(0,))
    decode(model, PROMPTS, uniforms, choose, options, passes)
    assert [len(rows) for rows, _ in steps] == [6, 6, 3, 3]
    return steps, texts


@torch.no_grad()
def assert_plain(model, steps, texts):
    """Each row's two readings are forwards of its text alone, without cache, padding, neighbours."""
    for row, text in enumerate(texts):
        ids = torch.tensor([text])
        policy = model(ids, use_cache=False).logits[0]
        with model.disable_adapter():
            reference = model(ids, use_cache=False).logits[0]
        assert not torch.allclose(policy, reference, atol=0.05)
        for step, (rows, logits) in enumerate(steps):
            if row in rows:
                place = len(PROMPTS[row // 2]) - 1 + step
                found = logits[:, rows.index(row)]
                plain = torch.stack([policy[place], reference[place]])
                torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)


def test_two_forwards_are_the_one_with_halves():
    model = lora_policy()
    with policy_and_reference(model) as halves:
        assert halves == (Pass(copies=2),)
        one, texts = readings(model, halves)
    two, same = readings(model, (Pass(), Pass(context=model.disable_adapter)))
    assert texts == same
    for (rows, left), (others, right) in zip(one, two, strict=True):
        assert rows == others
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-5)


# Forwards a step. The kinds that need two: experts, whose layers see tokens in no order of rows and
# whose fused weights and router are no layers; states reshaped to tokens.
FORWARDS = {
    **{"llama": 1, "mistral_window": 1, "gemma2": 1, "gpt2": 1, "qwen3_5": 1, "lfm2": 1},
    **{"mixtral": 2, "qwen3_moe": 2, "deepseek_v3": 2, "opt": 2},
}


@pytest.mark.parametrize("family", FORWARDS)
def test_policy_and_reference_are_plain_forwards_whatever_the_adapted_layers_see(family):
    model = adapted(tiny_decoder(family))
    with policy_and_reference(model) as passes:
        assert len(passes) == FORWARDS[family]
        steps, texts = readings(model, passes)
    assert_plain(model, steps, texts)


def test_experts_do_not_slow_down_an_adapter_of_attention_alone():
    model = adapted(tiny_decoder("mixtral"), targets=["q_proj", "v_proj"])
    with policy_and_reference(model) as passes:
        assert passes == (Pass(copies=2),)
        steps, texts = readings(model, passes)
    assert_plain(model, steps, texts)


@pytest.mark.parametrize(
    "changes",
    [{"use_dora": True}, {"target_modules": ["embed_tokens"]}, {"modules_to_save": ["norm"]}],
)
def test_adapters_that_are_more_than_lora_on_linear_layers_take_two_forwards(changes):
    config = LoraConfig(**{"r": 2, "target_modules": ["q_proj"], **changes})
    model = randomised(get_peft_model(tiny_model(tie_word_embeddings=False), config))
    with policy_and_reference(model) as passes:
        assert len(passes) == 2
        steps, texts = readings(model, passes)
    assert_plain(model, steps, texts)
