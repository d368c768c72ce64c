"""Log-probabilities that sampling keeps: what asking for them leaves alone, and what they are worth."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from tiny_decoders import decoding_options, lora_policy, noise, unequal_prompts
from tiny_policy import tiny_model

from prefgrid.sampling.mixed import sample_mixed
from prefgrid.sampling.transformers_backend import sample_responses

SETTINGS = [(1.0, 1.0), (0.6, 1.0), (1.0, 0.7), (1.5, 0.9), (0.0, 1.0)]


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def sampled(model, rows: int = 20, **changes):
    return sample_responses(model, unequal_prompts(), noise(rows), decoding_options(**changes))


@pytest.mark.parametrize(("temperature", "top_p"), SETTINGS)
def test_asking_changes_no_token(model, temperature, top_p):
    chosen = {"temperature": temperature, "top_p": top_p}
    plain, told = sampled(model, **chosen), sampled(model, **chosen, log_probs=True)
    assert {(one.token_logps, one.sampling_token_logps) for one in plain} == {(None, None)}
    assert plain == [replace(one, token_logps=None, sampling_token_logps=None) for one in told]
    for one in told:
        assert len(one.token_logps) == len(one.sampling_token_logps) == len(one.tokens)
        assert max(one.token_logps + one.sampling_token_logps) <= 0
    assert len({len(one.tokens) for one in told}) > 1


def test_at_temperature_and_top_p_1_both_are_the_same_numbers(model):
    assert all(
        one.token_logps == one.sampling_token_logps for one in sampled(model, log_probs=True)
    )


def test_greedy_tokens_were_certain(model):
    told = sampled(model, temperature=0.0, log_probs=True)
    assert {logp for one in told for logp in one.sampling_token_logps} == {0.0}
    assert min(logp for one in told for logp in one.token_logps) < -0.1


def test_they_are_float32_and_survive_json(model):
    for one in sampled(model, temperature=0.6, log_probs=True):
        for logps in (one.token_logps, one.sampling_token_logps):
            assert json.loads(json.dumps(logps)) == np.float32(logps).tolist()


def test_batches_that_were_kept_hold_them(model):
    """Kept as JSON text, as a job's parts are."""
    options = decoding_options(temperature=0.6, batch_rows=8, log_probs=True)
    prompts, uniforms, kept = unequal_prompts(), noise(20), {}
    expected = sample_responses(model, prompts, uniforms, options)

    def keep(name, compute):
        if name not in kept:
            kept[name] = json.dumps(compute())
        return json.loads(kept[name])

    for continued in (model, None):
        assert sample_responses(continued, prompts, uniforms, options, keep) == expected
    assert len(kept) == 3


@pytest.mark.parametrize("temperature", [0.8, 1.3])
def test_importance_weights_have_mean_one(temperature):
    """Σ_y q(y) · p(y)/q(y) = 1 for p the model and q what was drawn from, by simulation; responses
    of up to three of twelve tokens. Weights the wrong way round have a mean above 1 by χ²."""
    model = tiny_model(vocab_size=12, factor=4.0)
    options = decoding_options(
        max_new_tokens=3, temperature=temperature, batch_rows=4000, log_probs=True
    )
    told = sample_responses(model, [[7, 8, 9]], noise(4000, width=3), options)
    differ = np.array([math.fsum(o.token_logps) - math.fsum(o.sampling_token_logps) for o in told])
    weights, inverse = np.exp(differ), np.exp(-differ)

    def error(values):
        return values.std(ddof=1) / math.sqrt(len(values))

    print(f"{weights.mean():.4f} ± {error(weights):.4f}, inverse {inverse.mean():.4f}")
    assert weights.std() > 0.1
    assert abs(weights.mean() - 1) < 3 * error(weights)
    assert inverse.mean() - 1 > 5 * error(inverse)


def test_mixed_decoding_refuses_what_it_does_not_keep():
    options = decoding_options(log_probs=True)
    with pytest.raises(ValueError, match="log_probs.*allowed: in plain sampling alone"):
        sample_mixed(lora_policy(), [[7]], noise(1), [1.0], options)
