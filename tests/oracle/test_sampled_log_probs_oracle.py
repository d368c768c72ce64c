"""Log-probabilities of drawn tokens beside transformers' own forward and its own logits warpers.

Kind: what is computed while decoding (left padding, caches, rows that leave) beside one plain forward
of the whole text, in families with bounds, scales and windows, with an adapter, in half precision.
"""

import copy

import pytest
import torch
from tiny_decoders import adapted, decoding_options, lora_policy, noise, unequal_prompts
from tiny_families import tiny_decoder
from tiny_policy import PAD, tiny_model
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from prefgrid.logprobs.sequence import response_logps
from prefgrid.models import attention
from prefgrid.sampling import decode
from prefgrid.sampling.transformers_backend import sample_responses

NATS = 1e-5
# Of the weights, so that distributions are far from uniform.
FACTOR = 8.0
SAMPLES = 4


def bounded():
    """Gemma-2 with the attention that its loader gives it: sdpa would leave out the scores' bound."""
    caps = {"final_logit_softcapping": 3.0, "attn_logit_softcapping": 2.0}
    model = tiny_decoder("gemma2", FACTOR, **caps)
    model.set_attn_implementation(attention.implementation(model.config))
    return model


# Name → the model, and by how much its logits are bounded or scaled.
MODELS = {
    "qwen3": lambda: tiny_decoder("qwen3", FACTOR),
    "llama": lambda: tiny_decoder("llama", FACTOR),
    "gemma2, bounded": bounded,
    "gemma3, window": lambda: tiny_decoder("gemma3", FACTOR),
    "granite, divided": lambda: tiny_decoder("granite", 3 * FACTOR),
    "cohere, multiplied": lambda: tiny_decoder("cohere", 3 * FACTOR, logit_scale=0.25),
    "falcon_h1, states": lambda: tiny_decoder("falcon_h1", 2 * FACTOR, lm_head_multiplier=0.3),
    "gpt2, positions": lambda: tiny_decoder("gpt2", FACTOR),
    "an adapter": lambda: lora_policy(tie_word_embeddings=False),
    "an adapter, bounded": lambda: adapted(bounded()),
}
# Plain, each alone, both, and two that no draw is left to.
OPTIONS = [(1.0, 1.0), (0.7, 1.0), (1.6, 1.0), (1.0, 0.8), (0.7, 0.8), (0.0, 1.0), (1.0, 1e-6)]


def sampled(model, count: int = SAMPLES, **changes):
    """(prompt, response) of `count` samples of each of five unequal prompts."""
    prompts = unequal_prompts()
    options = decoding_options(log_probs=True, **changes)
    responses = sample_responses(model, prompts, noise(count * len(prompts)), options)
    return [(prompts[row // count], response) for row, response in enumerate(responses)]


@torch.no_grad()
def own_logits(model, prompt, response):
    """float32 [tokens, V], by one forward of prompt and response, without cache or padding."""
    ids = torch.tensor([[*prompt, *response.tokens]])
    return model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()


def of_tokens(log_probs, response):
    return log_probs.gather(1, torch.tensor(response.tokens)[:, None])[:, 0]


def plain_copy(model):
    """By transformers' plainest attention."""
    plain = copy.deepcopy(model)
    plain.set_attn_implementation("eager")
    return plain


@pytest.mark.parametrize("share", [1e-9, 2.0], ids=["rows leave at once", "rows stay"])
@pytest.mark.parametrize("name", MODELS)
def test_they_are_those_of_the_own_forward_and_sum_to_the_response_s(name, share, monkeypatch):
    monkeypatch.setattr(decode, "COMPACT_SHARE", share)
    model = MODELS[name]()
    # Eight tokens: sums below 32 nats, where float32 numbers are 2e-6 apart.
    plain, rows = plain_copy(model), sampled(model, max_new_tokens=8)
    assert len({len(response.tokens) for _, response in rows}) > 3, "rows end at many steps"
    worst = 0.0
    for prompt, response in rows:
        own = of_tokens(own_logits(plain, prompt, response).log_softmax(-1), response)
        found = torch.tensor(response.token_logps)
        worst = max(worst, (found - own).abs().max().item())
        assert response.sampling_token_logps == response.token_logps
    groups = [[response.tokens for _, response in rows[i : i + SAMPLES]] for i in at_once(rows)]
    with torch.no_grad():
        sums, _ = response_logps(model, unequal_prompts(), groups, pad_id=PAD)
    told = torch.tensor([sum(response.token_logps) for _, response in rows])
    apart = (told - sums).abs().max().item()
    spread = torch.tensor([logp for _, one in rows for logp in one.token_logps]).std()
    print(f"{name}: a token {worst:.2g}, a sum {apart:.2g} nats; a token's spread {spread:.2f}")
    assert spread > 0.5, "too uniform to see anything"
    assert worst <= NATS and apart <= NATS


def at_once(rows) -> range:
    return range(0, len(rows), SAMPLES)


@pytest.mark.parametrize(("temperature", "top_p"), OPTIONS)
def test_what_was_drawn_from_is_that_of_transformers_warpers(temperature, top_p):
    model = tiny_decoder("qwen3", FACTOR)
    differ = []
    for prompt, response in sampled(model, temperature=temperature, top_p=top_p):
        logits = own_logits(model, prompt, response)
        own = of_tokens(logits.log_softmax(-1), response)
        torch.testing.assert_close(torch.tensor(response.token_logps), own, atol=NATS, rtol=0)
        if temperature == 0:
            expected = torch.zeros(len(own))
        else:
            warped = TemperatureLogitsWarper(temperature)(None, logits)
            warped = TopPLogitsWarper(top_p)(None, warped)
            expected = of_tokens(warped.log_softmax(-1), response)
        found = torch.tensor(response.sampling_token_logps)
        assert found.isfinite().all() and (found <= 0).all()
        torch.testing.assert_close(found, expected, atol=NATS, rtol=0)
        differ.append((found - own).abs().max().item())
    assert (max(differ) > 0.1) == ((temperature, top_p) != (1.0, 1.0))


def test_bfloat16_weights_give_float32_log_probs_of_the_hidden_states_that_were_read():
    """A bfloat16 output layer would round logits near 30 to 1/8."""
    model = tiny_model().bfloat16()
    states = []
    hook = model.model.register_forward_hook(
        lambda module, given, output: states.append(output.last_hidden_state[0, -1].float())
    )
    prompt, options = unequal_prompts()[0], decoding_options(log_probs=True)
    [response] = sample_responses(model, [prompt], noise(1, seed=3), options)
    hook.remove()
    assert len(response.tokens) == len(states) > 3
    own = (torch.stack(states) @ model.lm_head.weight.float().T).log_softmax(-1)
    found = torch.tensor(response.token_logps)
    torch.testing.assert_close(found, of_tokens(own, response), atol=NATS, rtol=0)


def test_bfloat16_sums_are_the_response_s_up_to_the_rounding_of_hidden_states():
    """Two orders of the same bfloat16 sums: some hundredths of the logits' spread a token
    (`rehearsal.comparing`), here of the root mean square over all tokens."""
    model = tiny_model().bfloat16()
    rows = sampled(model)
    groups = [[response.tokens for _, response in rows[i : i + SAMPLES]] for i in at_once(rows)]
    with torch.no_grad():
        sums, lengths = response_logps(model, unequal_prompts(), groups, pad_id=PAD)
    told = torch.tensor([sum(response.token_logps) for _, response in rows])
    spread = torch.cat([own_logits(model, *row).std(-1) for row in rows]).mean()
    error = ((told - sums) / lengths.sqrt()).square().mean().sqrt() / spread
    print(f"{error:.3g} of the spread {spread:.3g}; sums apart by {(told - sums).abs().max():.3g}")
    assert error < 0.05
