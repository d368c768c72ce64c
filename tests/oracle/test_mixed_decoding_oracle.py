"""Mixed decoding against the library's own generation and against a model one can enumerate."""

import itertools

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen3Config, Qwen3ForCausalLM

from prefgrid.sampling.mixed import sample_mixed
from prefgrid.sampling.request import DecodingOptions
from prefgrid.sampling.transformers_backend import sample_responses

EOS, PAD, LIMIT = 258, 256, 20


def with_adapter(model, strength: float):
    model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * strength)
    return model.eval()


# --- the library's greedy generation ---------------------------------------------------------


@pytest.fixture(scope="module")
def policy(tiny_qwen3):
    return with_adapter(tiny_qwen3(3), strength=0.3)


PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [65], [70, 71, 72], [90, 91]]


def end_tokens(model) -> list[int]:
    """A token that the greedy text of the first prompt has in its middle, and the real EOS."""
    ids = torch.tensor(PROMPTS[:1])
    text = model.generate(ids, do_sample=False, max_new_tokens=LIMIT, pad_token_id=PAD)
    return [EOS, text[0, ids.shape[1] + LIMIT // 2].item()]


def library_greedy(model, eos_ids: list[int]) -> list[list[int]]:
    longest = max(map(len, PROMPTS))
    ids = torch.tensor([[PAD] * (longest - len(prompt)) + prompt for prompt in PROMPTS])
    text = model.generate(
        input_ids=ids,
        attention_mask=(ids != PAD).long(),
        do_sample=False,
        max_new_tokens=LIMIT,
        eos_token_id=eos_ids,
        pad_token_id=PAD,
    )
    rows = []
    for tokens in text[:, longest:].tolist():
        ends = [number for number, token in enumerate(tokens) if token in eos_ids]
        rows.append(tokens[: ends[0] + 1] if ends else tokens[:LIMIT])
    return rows


def greedy_options(eos_ids: list[int]) -> DecodingOptions:
    return DecodingOptions(tuple(eos_ids), PAD, LIMIT, temperature=0.0)


@pytest.mark.parametrize("weight", [1.0, 0.0], ids=["policy", "reference"])
def test_greedy_mixture_is_the_librarys_greedy_generation(policy, weight):
    eos_ids = end_tokens(policy)
    noise = np.zeros((len(PROMPTS), LIMIT))
    # Decoded in one batch with other weights, which must not disturb each other.
    rows = sample_mixed(policy, PROMPTS, noise, [2.0, 1.0, 0.0], greedy_options(eos_ids))
    tokens = [row.response.tokens for row in rows if row.weight == weight]
    if weight == 1:
        assert tokens == library_greedy(policy, eos_ids)
        assert len(tokens[0]) <= LIMIT // 2 + 1
    else:
        with policy.disable_adapter():
            assert tokens == library_greedy(policy, eos_ids)


def test_greedy_sampling_is_the_librarys_greedy_generation(policy):
    eos_ids = end_tokens(policy)
    noise = np.zeros((len(PROMPTS), LIMIT))
    responses = sample_responses(policy, PROMPTS, noise, greedy_options(eos_ids))
    assert [response.tokens for response in responses] == library_greedy(policy, eos_ids)


# --- a model of 4 tokens, one of them EOS, and texts of at most 4 tokens ------------------------

TOY_EOS, TOY_LIMIT, TOY_PROMPT, DRAWS = 3, 4, [1, 2, 0], 6000


@pytest.fixture(scope="module")
def toy():
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=4,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    model = Qwen3ForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight.mul_(12)
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "lm_head" not in name:
                weight.mul_(12)
    return with_adapter(model, strength=0.2)


def enumerate_texts() -> list[tuple[int, ...]]:
    """All texts: EOS after 0–3 other tokens (1 + 3 + 9 + 27), or 4 others (81): 121 in all."""
    ended = [
        (*words, TOY_EOS)
        for length in range(TOY_LIMIT)
        for words in itertools.product(range(3), repeat=length)
    ]
    return ended + list(itertools.product(range(3), repeat=TOY_LIMIT))


def exact_log_probs(toy, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """log π_β(y) and log π_ref(y) of every text, summed over its tokens, float64."""
    rows = []
    for text in enumerate_texts():
        ids = torch.tensor([TOY_PROMPT + list(text)])
        with torch.no_grad():
            policy = toy(ids).logits[0, len(TOY_PROMPT) - 1 : -1].double()
            with toy.disable_adapter():
                reference = toy(ids).logits[0, len(TOY_PROMPT) - 1 : -1].double()
        mixed = reference + weight * (policy - reference)
        at = torch.arange(len(text)), torch.tensor(text)
        rows.append([logits.log_softmax(-1)[at].sum().item() for logits in (mixed, reference)])
    return tuple(np.array(rows).T)


@pytest.mark.parametrize("weight", [0.5, 1.0, 2.0])
def test_sampled_texts_and_kl_agree_with_the_sum_over_all_texts(toy, weight):
    log_p, log_ref = exact_log_probs(toy, weight)
    probs = np.exp(log_p)
    assert probs.sum() == pytest.approx(1, abs=1e-5)
    exact_kl = (probs * (log_p - log_ref)).sum()
    assert exact_kl > 0.02

    noise = np.random.default_rng(11).random((DRAWS, TOY_LIMIT))
    options = DecodingOptions((TOY_EOS,), 0, TOY_LIMIT, batch_rows=DRAWS)
    rows = sample_mixed(toy, [TOY_PROMPT], noise, [weight], options)

    # A share of N draws has standard error √(p(1−p)/N); 121 comparisons, so 4.5 of them, and one
    # draw for texts too rare for the normal limit.
    drawn = [tuple(row.response.tokens) for row in rows]
    shares = np.array([drawn.count(text) for text in enumerate_texts()]) / DRAWS
    assert shares.sum() == pytest.approx(1)
    bound = 4.5 * np.sqrt(probs * (1 - probs) / DRAWS) + 1 / DRAWS
    assert (np.abs(shares - probs) <= bound).all()

    # Both estimates are unbiased: within 4 standard errors of the exact KL; the exact-per-token
    # one has the smaller spread and is never negative.
    for name in ("kl_nats", "kl_sample_nats"):
        values = np.array([getattr(row, name) for row in rows])
        assert abs(values.mean() - exact_kl) <= 4 * values.std(ddof=1) / np.sqrt(DRAWS)
    kl = np.array([row.kl_nats for row in rows])
    kl_sample = np.array([row.kl_sample_nats for row in rows])
    assert kl.min() >= 0 > kl_sample.min()
    assert kl.std() < kl_sample.std()
    # The sample's own estimate is the log-ratio of its text, to float32 rounding.
    ratio = dict(zip(enumerate_texts(), log_p - log_ref, strict=True))
    np.testing.assert_allclose(kl_sample, [ratio[text] for text in drawn], atol=2e-5)
