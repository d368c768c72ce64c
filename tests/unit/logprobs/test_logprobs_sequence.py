"""Sums of log-probabilities against the library's own logits of single, unpadded sequences."""

import pytest
import torch
from tiny_policy import PAD, VOCABULARY, random_groups, scale_up, tiny_lora, tiny_model
from transformers import Gemma2Config, Gemma2ForCausalLM

from prefgrid.logprobs import selected
from prefgrid.logprobs.sequence import response_logps, sequence_logps


def split(groups):
    return [group.prompt_tokens for group in groups], [group.responses for group in groups]


def by_hand(model, groups) -> torch.Tensor:
    """Σ_k log softmax(logits at the token before)_(token k), one forward per sequence."""
    table = []
    for group in groups:
        row = []
        for response in group.responses:
            ids = torch.tensor([[*group.prompt_tokens, *response]])
            logps = model(input_ids=ids).logits[0].float().log_softmax(-1)
            start = len(group.prompt_tokens)
            row.append(sum(logps[start + k - 1, token] for k, token in enumerate(response)))
        table.append(torch.stack(row))
    return torch.stack(table)


@pytest.mark.parametrize("responses", [1, 2, 3])
@torch.no_grad()
def test_equals_log_softmax_of_single_unpadded_sequences(responses):
    model, groups = tiny_model(), random_groups(5, responses=responses)
    sums, lengths = sequence_logps(model, *split(groups), pad_id=PAD)
    assert sums.dtype == torch.float32 and lengths.dtype == torch.int64
    torch.testing.assert_close(sums, by_hand(model, groups), atol=1e-5, rtol=1e-5)
    assert lengths.tolist() == [[len(r) for r in group.responses] for group in groups]
    assert sums.std() > 1, "the model is too uniform for this test to see anything"


@torch.no_grad()
def test_padding_changes_nothing():
    model, groups = tiny_model(), random_groups(4)
    sums, _ = sequence_logps(model, *split(groups), pad_id=PAD)
    other_pad, _ = sequence_logps(model, *split(groups), pad_id=7)
    assert torch.equal(sums, other_pad)
    prompts, responses = split(groups)
    wider, _ = sequence_logps(
        model, [*prompts, [3] * 30], [*responses, [[4] * 20, [5]]], pad_id=PAD
    )
    torch.testing.assert_close(wider[:4], sums, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_bounded_logits_give_the_same(monkeypatch):
    model, groups = tiny_model(), random_groups(6)
    sums, _ = sequence_logps(model, *split(groups), pad_id=PAD)
    monkeypatch.setattr(selected, "CPU_TILE", 7)
    monkeypatch.setattr(selected, "MIN_CHUNK", 7)
    chunked, _ = sequence_logps(model, *split(groups), pad_id=PAD)
    torch.testing.assert_close(chunked, sums, atol=1e-5, rtol=1e-5)


def test_gradients_equal_those_of_separate_forwards():
    model, groups = tiny_model(), random_groups(4)
    weight = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    (weight * sequence_logps(model, *split(groups), pad_id=PAD)[0]).sum().backward()
    padded = {name: value.grad.clone() for name, value in model.named_parameters()}
    model.zero_grad()
    (weight * by_hand(model, groups)).sum().backward()
    for name, value in model.named_parameters():
        torch.testing.assert_close(padded[name], value.grad, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_gemma2_softcapping_and_sliding_window():
    """The cap (2 nats) is far below the raw logits, the window (4) below the row length."""
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=4,
        final_logit_softcapping=2.0,
        pad_token_id=PAD,
    )
    model = scale_up(Gemma2ForCausalLM(config).eval(), 20.0)
    groups = random_groups(4)
    sums, _ = sequence_logps(model, *split(groups), pad_id=PAD)
    torch.testing.assert_close(sums, by_hand(model, groups), atol=1e-5, rtol=1e-5)
    model.config.final_logit_softcapping = None
    uncapped, _ = sequence_logps(model, *split(groups), pad_id=PAD)
    assert (uncapped - sums).abs().max() > 1


@torch.no_grad()
def test_adapters_count_and_can_be_switched_off():
    model, groups = tiny_lora(), random_groups(3)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.normal_(generator=torch.Generator().manual_seed(1))
    adapted, _ = sequence_logps(model, *split(groups), pad_id=PAD)
    torch.testing.assert_close(adapted, by_hand(model, groups), atol=1e-4, rtol=1e-4)
    with model.disable_adapter():
        plain, _ = sequence_logps(model, *split(groups), pad_id=PAD)
    base, _ = sequence_logps(tiny_model(), *split(groups), pad_id=PAD)
    assert torch.equal(plain, base)
    assert (adapted - plain).abs().max() > 0.1


@torch.no_grad()
def test_bfloat16_weights_give_float32_sums():
    """A sum near -500 nats in bfloat16 would be a multiple of 2."""
    model = tiny_model().bfloat16()
    prompt, response = [5, 6], [int(token) for token in torch.arange(100) % 50 + 3]
    sums, _ = sequence_logps(model, [prompt], [[response]], pad_id=PAD)
    ids = torch.tensor([[*prompt, *response]])
    hidden = model.model(input_ids=ids).last_hidden_state[0, 1:-1].float()
    logps = (hidden @ model.lm_head.weight.float().T).log_softmax(-1)
    expected = logps.gather(1, torch.tensor(response)[:, None]).sum()
    assert sums.dtype == torch.float32
    torch.testing.assert_close(sums[0, 0], expected, atol=1e-3, rtol=1e-5)
    assert sums[0, 0] % 1 != 0


@pytest.mark.parametrize(
    ("prompts", "responses", "message"),
    [
        ([[]], [[[3]]], "group 0: the prompt has no token"),
        ([[3]], [[[3], []]], "group 0: a response has no tokens"),
        ([[3], [3]], [[[3]], []], "group 1: there is no response"),
        ([], [], "no groups"),
    ],
)
def test_refuses_what_has_no_log_probability(prompts, responses, message):
    with pytest.raises(ValueError, match=message):
        sequence_logps(tiny_model(), prompts, responses, pad_id=PAD)


@torch.no_grad()
def test_any_number_of_responses_to_a_prompt():
    model, groups = tiny_model(), random_groups(3, responses=3)
    prompts, responses = split(groups)
    sums, _ = sequence_logps(model, prompts, responses, pad_id=PAD)
    ragged = [responses[0][:1], responses[1], responses[2][1:]]
    fewer, lengths = response_logps(model, prompts, ragged, pad_id=PAD)
    expected = torch.cat([sums[0, :1], sums[1], sums[2, 1:]])
    torch.testing.assert_close(fewer, expected, atol=1e-5, rtol=1e-5)
    assert lengths.tolist() == [len(response) for group in ragged for response in group]
    with pytest.raises(ValueError, match="group 1: there is no response"):
        response_logps(model, prompts, [responses[0], [], responses[2]], pad_id=PAD)
    for width in (None, 3, 5):
        table, tokens = sequence_logps(model, prompts, ragged, pad_id=PAD, width=width)
        assert table.shape == tokens.shape == (3, width or 3)
        assert (tokens > 0).sum(1).tolist() == [1, 3, 2]
        assert torch.equal(table[tokens > 0], fewer) and torch.equal(tokens[tokens > 0], lengths)
        assert not table[tokens == 0].any()


def test_refuses_output_layers_it_would_get_wrong():
    with pytest.raises(ValueError, match="output layer"):
        sequence_logps(tiny_lora(targets=["lm_head"]), [[3]], [[[4]]], pad_id=PAD)
