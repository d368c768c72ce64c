"""Mixed decoding: one batch of all weights, and the KL of what was really sampled."""

import copy

import numpy as np
import peft
import pytest
import torch
from tiny_decoders import EOS_IDS, decoding_options, lora_policy, noise, unequal_prompts
from tiny_policy import tiny_model

from prefgrid.logprobs.head import float32_output_layer
from prefgrid.sampling import decode
from prefgrid.sampling.mixed import sample_mixed
from prefgrid.sampling.transformers_backend import sample_responses

WEIGHTS = [4.0, 1.0, 0.5, -1.0, 0.0]


@pytest.fixture(scope="module")
def model():
    return lora_policy()


def sampled(model, weights=WEIGHTS, prompts=None, uniforms=None, **options):
    prompts = unequal_prompts() if prompts is None else prompts
    uniforms = noise(2 * len(prompts)) if uniforms is None else uniforms
    return sample_mixed(model, prompts, uniforms, weights, decoding_options(**options))


def assert_same(left, right):
    assert [row.response for row in left] == [row.response for row in right]
    for name in ("kl_nats", "kl_sample_nats"):
        np.testing.assert_allclose(
            [getattr(row, name) for row in left],
            [getattr(row, name) for row in right],
            rtol=1e-4,
            atol=1e-5,
        )


def test_rows_come_by_prompt_then_weight_then_sample(model):
    rows = sampled(model, batch_rows=20)
    assert [(row.prompt, row.weight, row.sample) for row in rows] == [
        (prompt, weight, sample) for prompt in range(5) for weight in WEIGHTS for sample in range(2)
    ]


def test_batched_equals_unbatched(model):
    prompts, uniforms = unequal_prompts(), noise(5)
    together = sampled(model, prompts=prompts, uniforms=uniforms)
    alone = [
        row
        for number, prompt in enumerate(prompts)
        for weight in WEIGHTS
        for row in sampled(
            model, [weight], prompts=[prompt], uniforms=uniforms[number : number + 1]
        )
    ]
    assert_same(together, alone)


@pytest.mark.parametrize("batch_rows", [1, 25])
def test_batch_size_changes_nothing(model, batch_rows):
    assert_same(sampled(model), sampled(model, batch_rows=batch_rows))


@pytest.mark.parametrize("share", [1e-9, 2.0], ids=["always", "never"])
def test_dropping_finished_rows_changes_nothing(model, monkeypatch, share):
    expected = sampled(model)
    monkeypatch.setattr(decode, "COMPACT_SHARE", share)
    assert_same(sampled(model), expected)


def test_weight_one_is_the_policy_and_weight_zero_the_reference(model):
    prompts, uniforms = unequal_prompts(), noise(10)
    rows = sampled(model, [1.0, 0.0], prompts, uniforms)
    policy = [row.response for row in rows if row.weight == 1]
    reference = [row.response for row in rows if row.weight == 0]
    assert policy == sample_responses(model, prompts, uniforms, decoding_options())
    with model.disable_adapter():
        assert reference == sample_responses(model, prompts, uniforms, decoding_options())
    assert policy != reference
    # A weight of exactly 0 mixes nothing in, so its KL is 0 to the last bit.
    assert {row.kl_nats for row in rows if row.weight == 0} == {0.0}
    assert {row.kl_sample_nats for row in rows if row.weight == 0} == {0.0}


def test_equal_distributions_and_uniforms_give_equal_tokens_at_every_weight():
    # An adapter of strength 0 makes every weight the same distribution.
    rows = sampled(lora_policy(strength=0.0))
    by_prompt = [rows[start : start + 10] for start in range(0, 50, 10)]
    for group in by_prompt:
        for row in group:
            assert row.response == group[row.sample].response
            assert abs(row.kl_nats) < 1e-5
    assert len({tuple(row.response.tokens) for row in rows}) > 5


def test_large_beta_approaches_the_reference(model):
    rows = sampled(model, [1.0, 0.1, 1e-2, 1e-4, 0.0])
    kl = np.array([row.kl_nats for row in rows]).reshape(5, 5, 2).mean(axis=(0, 2))
    assert (np.diff(kl) <= 0).all() and kl[0] > 1 and kl[3] < 1e-5
    by_weight = {
        weight: [row.response for row in rows if row.weight == weight] for weight in (1e-4, 0.0)
    }
    assert by_weight[1e-4] == by_weight[0.0]


def distributions(model, prompt, tokens, weight, temperature):
    """log π_β and log π_ref at every step of a response, from uncached, unpadded forwards."""
    ids = torch.tensor([prompt + tokens])
    start, stop = len(prompt) - 1, len(prompt) + len(tokens) - 1
    with torch.no_grad():
        policy = model(ids).logits[0, start:stop]
        with model.disable_adapter():
            reference = model(ids).logits[0, start:stop]
    mixed = (reference + weight * (policy - reference)) / temperature
    return mixed.log_softmax(-1), (reference / temperature).log_softmax(-1)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_kl_is_that_of_the_sampled_distribution_up_to_and_with_the_end_token(model, temperature):
    prompts = unequal_prompts()
    rows = sampled(model, prompts=prompts, temperature=temperature)
    assert {row.response.finish for row in rows} == {"stop", "length"}
    for row in rows:
        tokens = row.response.tokens
        log_p, log_ref = distributions(model, prompts[row.prompt], tokens, row.weight, temperature)
        ratio = log_p - log_ref
        exact = (log_p.exp() * ratio).sum()
        drawn = ratio[torch.arange(len(tokens)), tokens].sum()
        assert row.kl_nats == pytest.approx(exact.item(), rel=1e-4, abs=1e-5)
        assert row.kl_sample_nats == pytest.approx(drawn.item(), rel=1e-4, abs=1e-4)


def test_tokens_after_the_end_add_nothing(model):
    # A longer limit changes neither text nor KL of a response that had already stopped.
    uniforms = noise(10, width=24)
    short = sampled(model, uniforms=uniforms, max_new_tokens=12)
    long = sampled(model, uniforms=uniforms, max_new_tokens=24)
    stopped = [number for number, row in enumerate(short) if row.response.finish == "stop"]
    assert 10 < len(stopped) < len(short)
    assert any(row.response.tokens[-1] in EOS_IDS for row in long)
    assert_same([short[number] for number in stopped], [long[number] for number in stopped])


@pytest.mark.parametrize(
    "options", [{"temperature": 0.7}, {"temperature": 2.0}, {"top_p": 0.8}, {"temperature": 0.0}]
)
def test_the_reference_is_at_kl_0_however_it_is_sampled(model, options):
    rows = sampled(model, [0.0], **options)
    assert {(row.kl_nats, row.kl_sample_nats) for row in rows} == {(0.0, 0.0)}


@pytest.mark.parametrize("options", [{"top_p": 0.8}, {"temperature": 0.0}])
def test_what_the_reference_never_draws_has_an_infinite_kl(model, options):
    rows = sampled(model, **options)
    assert all(row.kl_nats >= 0 and row.kl_sample_nats > -np.inf for row in rows)
    assert any(row.kl_nats == np.inf for row in rows)
    # A token that was drawn outside the reference's own is one the expectation has met too.
    assert all(row.kl_nats == np.inf for row in rows if row.kl_sample_nats == np.inf)


def test_greedy_decoding_is_a_point_mass(model):
    """Its KL is 0 while both choose alike, infinite from the first token where they do not."""
    rows = sampled(model, [1.0], temperature=0.0)
    assert {row.kl_nats for row in rows} <= {0.0, np.inf}


def test_exploding_weights_are_refused(model):
    with pytest.raises(ValueError, match="2 of 2 rows are not finite.*weight"):
        sampled(model, [3e38], prompts=[[7, 8]])


def test_attention_implementation_is_left_as_it_was(model):
    before = model.config._attn_implementation
    sampled(model, [1.0])
    assert model.config._attn_implementation == before


# --- bfloat16 weights ------------------------------------------------------------------------------


def bfloat16_policy(strength: float):
    """A bfloat16 model with a float32 adapter whose logits share a large offset, about ±30.

    The offset changes no distribution, but bfloat16 numbers near 30 are 1/8 apart. The real models
    have such offsets too.
    """
    model = lora_policy(strength, tie_word_embeddings=False)
    offset = 5 * torch.randn(32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        model.get_output_embeddings().weight.add_(offset)
    for name, weight in model.named_parameters():
        if "lora_" not in name:
            weight.data = weight.data.bfloat16()
    return model


@pytest.mark.parametrize("strength", [0.0003, 0.01])
def test_kl_of_nearly_equal_bfloat16_models_is_the_float64_one(strength):
    model = bfloat16_policy(strength)
    precise = copy.deepcopy(model).double()
    prompts = unequal_prompts()
    rows = sampled(model, [1.0], prompts, noise(50))
    exact = []
    for row in rows:
        log_p, log_ref = distributions(precise, prompts[row.prompt], row.response.tokens, 1.0, 1.0)
        exact.append((log_p.exp() * (log_p - log_ref)).sum().item())
    # Exact are 0.00002 and 0.022 nats; with a bfloat16 output layer it was 0.0127 and 0.033.
    kl = np.mean([row.kl_nats for row in rows])
    assert kl == pytest.approx(np.mean(exact), rel=0.05, abs=5e-4)


def test_the_models_own_output_layer_is_back_after_decoding():
    model = bfloat16_policy(0.1)
    before = model.get_output_embeddings()
    sampled(model)
    assert model.get_output_embeddings() is before
    assert before.weight.dtype == torch.bfloat16


def test_float32_logits_of_a_tied_and_adapted_model():
    """Only the output layer is exchanged: the rest of the forward is the model's own."""
    ids = torch.tensor([[7, 8, 9]])
    model = lora_policy().bfloat16()
    tied = model.get_input_embeddings().weight
    with torch.no_grad():
        hidden = model.get_decoder()(ids).last_hidden_state
        with float32_output_layer(model):
            logits = model(ids).logits
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, hidden.float() @ tied.float().T)


def test_an_output_layer_that_is_not_linear_is_refused():
    untied = tiny_model(tie_word_embeddings=False)
    # `add_lora` refuses such targets itself; an adapter can come from elsewhere.
    model = peft.get_peft_model(untied, peft.LoraConfig(target_modules=["lm_head"])).eval()
    with pytest.raises(ValueError, match="take it out of the adapter's targets"):
        sampled(model)
