"""Sampling beside references: exact KL and entropy against plain forwards on the sampled texts."""

import copy
import math

import numpy as np
import pytest
import torch
from tiny_decoders import adapted, decoding_options, lora_policy, noise, unequal_prompts
from tiny_families import tiny_decoder
from tiny_policy import tiny_model
from torch import nn

from prefgrid.models.loading import (
    load_adapter,
    load_causal_lm,
    load_stack,
    save_adapter,
    save_model,
)
from prefgrid.sampling import decode
from prefgrid.sampling.measured import sample_measured
from prefgrid.sampling.mixed import sample_mixed
from prefgrid.sampling.transformers_backend import sample_responses


@pytest.fixture(scope="module")
def policy():
    return lora_policy()


@pytest.fixture(scope="module")
def base():
    """Another model than the policy's own reference, as the base is from iteration 2 on."""
    return tiny_model(seed=3)


def measured(policy, references, rows_a_prompt=2, uniforms=None, **options):
    prompts = unequal_prompts()
    uniforms = noise(rows_a_prompt * len(prompts)) if uniforms is None else uniforms
    return sample_measured(policy, prompts, uniforms, decoding_options(**options), references)


@torch.no_grad()
def log_probs(model, prompt, tokens, temperature=1.0):
    """float64 [tokens, V], of an uncached, unpadded forward of Hugging Face's on the whole text."""
    logits = model(input_ids=torch.tensor([prompt + tokens]), use_cache=False).logits[0]
    return (logits[len(prompt) - 1 : -1].double() / temperature).log_softmax(-1)


def assert_teacher_forced(rows, policy, models, temperature=1.0):
    """models: name → (model, whether with the adapter off)."""
    prompts = unequal_prompts()
    for number, row in enumerate(rows):
        prompt = prompts[number * len(prompts) // len(rows)]
        own = log_probs(policy, prompt, row.tokens, temperature)
        entropy = -(own.exp() * own).sum().item()
        assert row.entropy_nats == pytest.approx(entropy, rel=1e-4)
        assert row.kl_nats.keys() == models.keys()
        for name, model in models.items():
            if model is None:
                with policy.disable_adapter():
                    other = log_probs(policy, prompt, row.tokens, temperature)
            else:
                other = log_probs(model, prompt, row.tokens, temperature)
            kl = (own.exp() * (own - other)).sum().item()
            assert kl > 0.01
            assert row.kl_nats[name] == pytest.approx(kl, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_kl_and_entropy_are_those_of_plain_forwards_on_the_texts(policy, base, temperature):
    """Of a LoRA policy on a stack: `previous` is the policy with its adapter off, the base a model beside."""
    references = {"base": base, "previous": None}
    rows = measured(policy, references, temperature=temperature)
    assert {row.finish for row in rows} == {"stop", "length"}
    assert_teacher_forced(rows, policy, references, temperature)


def test_of_two_names_for_one_model_both_have_the_number(policy):
    rows = measured(policy, {"base": None, "previous": None})
    assert all(row.kl_nats["base"] == row.kl_nats["previous"] > 0 for row in rows)
    assert_teacher_forced(rows, policy, {"base": None, "previous": None})


def test_a_policy_of_all_weights_has_both_beside_it(base):
    policy, previous = tiny_model(seed=1), tiny_model(seed=2)
    references = {"base": base, "previous": previous}
    assert_teacher_forced(measured(policy, references), policy, references)


def test_the_base_itself_has_an_entropy_alone(base):
    rows = measured(base, {})
    assert {tuple(row.kl_nats) for row in rows} == {()}
    assert_teacher_forced(rows, base, {})


@pytest.mark.parametrize("family", ["mixtral", "gpt2", "qwen3_5"])
def test_of_other_families_too(family):
    policy, base = adapted(tiny_decoder(family)), tiny_decoder("llama")
    references = {"base": base, "previous": None}
    assert_teacher_forced(measured(policy, references), policy, references)


def test_texts_are_those_of_plain_sampling(policy, base):
    prompts, uniforms = unequal_prompts(), noise(10)
    plain = sample_responses(policy, prompts, uniforms, decoding_options())
    rows = measured(policy, {"base": base, "previous": None}, uniforms=uniforms)
    assert [(row.tokens, row.finish) for row in rows] == [(one.tokens, one.finish) for one in plain]


def test_the_kl_to_an_adapter_s_own_base_is_the_beta_scan_s_at_weight_1(policy):
    prompts, uniforms = unequal_prompts(), noise(10)
    rows = measured(policy, {"base": None}, uniforms=uniforms)
    scan = sample_mixed(policy, prompts, uniforms, [1.0], decoding_options())
    assert [row.tokens for row in rows] == [one.response.tokens for one in scan]
    np.testing.assert_allclose(
        [row.kl_nats["base"] for row in rows], [one.kl_nats for one in scan], rtol=1e-5, atol=1e-6
    )


def test_the_mean_kl_is_that_of_the_sampled_log_ratios(policy, base):
    """E Σ_k log π(y_k)/π_ref(y_k) is the KL: their mean difference over many samples, in standard errors. The
    same of the entropy and −log π."""
    prompt, references = [7, 8, 9], {"base": base, "previous": None}
    rows = sample_measured(policy, [prompt], noise(400), decoding_options(), references)
    entropy, kl = [], {name: [] for name in references}
    for row in rows:
        own = log_probs(policy, prompt, row.tokens)
        at = torch.arange(len(row.tokens)), torch.tensor(row.tokens)
        entropy.append(row.entropy_nats + own[at].sum().item())
        with policy.disable_adapter():
            others = {"base": log_probs(base, prompt, row.tokens)}
            others["previous"] = log_probs(policy, prompt, row.tokens)
        for name, other in others.items():
            kl[name].append(row.kl_nats[name] - (own - other)[at].sum().item())
    for differences in (entropy, *kl.values()):
        error = np.std(differences, ddof=1) / math.sqrt(len(differences))
        assert error > 0.01
        assert abs(np.mean(differences)) < 4 * error


@pytest.mark.parametrize("batch_rows", [1, 4])
def test_batch_size_changes_nothing(policy, base, batch_rows):
    references = {"base": base, "previous": None}
    assert_same(measured(policy, references, batch_rows=batch_rows), measured(policy, references))


def test_dropping_finished_rows_changes_nothing(policy, base, monkeypatch):
    references = {"base": base, "previous": None}
    expected = measured(policy, references)
    monkeypatch.setattr(decode, "COMPACT_SHARE", 1e-9)
    assert_same(measured(policy, references), expected)


def assert_same(left, right):
    assert [row.tokens for row in left] == [row.tokens for row in right]
    for one, other in zip(left, right, strict=True):
        assert one.entropy_nats == pytest.approx(other.entropy_nats, rel=1e-4, abs=1e-5)
        assert one.kl_nats == pytest.approx(other.kl_nats, rel=1e-4, abs=1e-5)


def test_in_bfloat16_the_references_are_the_stack_and_the_base(tmp_path):
    """And a policy whose new adapter is 0 is at KL 0 of the one before, to the last bit."""
    save_model(tmp_path / "reference", tiny_model(), _Tokenizer())
    first = lora_policy(0.05)
    save_adapter(tmp_path / "one", first)
    stack = load_stack(tmp_path / "reference", [tmp_path / "one"], "bf16")
    still = adapted(copy.deepcopy(stack), strength=0.0)
    plain = load_causal_lm(tmp_path / "reference", "bf16")
    rows = measured(still, {"base": plain, "previous": None})
    assert {row.kl_nats["previous"] for row in rows} == {0.0}
    iterate = load_adapter(load_causal_lm(tmp_path / "reference", "bf16"), tmp_path / "one").eval()
    assert_same(measured(iterate, {"base": None}), measured(stack, {"base": plain}))


class _Tokenizer:
    def save_pretrained(self, folder):
        (folder / "tokenizer_config.json").write_text("{}")


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"top_p": 0.9}, {"log_probs": True}])
def test_what_can_be_infinite_is_refused(policy, options):
    with pytest.raises(ValueError, match="allowed: temperature > 0, top_p 1, log_probs False"):
        measured(policy, {"base": None}, **options)


def test_kept_batches_are_not_sampled_again(base):
    prompts, uniforms, kept = unequal_prompts(), noise(10), {}

    def keep(name, compute):
        return kept[name] if name in kept else kept.setdefault(name, compute())

    options = decoding_options(batch_rows=4)
    rows = sample_measured(base, prompts, uniforms, options, {}, keep)
    assert len(kept) == 3
    nothing = nn.Module()
    assert sample_measured(nothing, prompts, uniforms, options, {}, keep) == rows
