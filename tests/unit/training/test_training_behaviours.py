"""What the policy, its reference and its past draw, against plain sampling and plain forwards."""

import json
import math

import numpy as np
import pytest
import torch
from tiny_decoders import decoding_options, lora_policy, randomised
from tiny_policy import VOCABULARY, tiny_lora, tiny_model

from prefgrid import seeding
from prefgrid.models.dropout import train_adapters
from prefgrid.sampling.transformers_backend import sample_responses
from prefgrid.training.behaviours import PolicySamples, ReferenceSamples, Replay
from prefgrid.training.sources import Ask, Drawn, Stateless

PROMPTS = [[7, 8, 9], [5], [20, 21, 22, 23, 24, 25]]
# Unequal numbers of a prompt's, and prompts in turns.
ASKS = [
    Ask(step, prompt, sample, number)
    for number, (step, prompt, sample) in enumerate(
        [(4, 2, 0), (4, 0, 0), (4, 2, 1), (5, 1, 0), (5, 2, 0), (4, 2, 7), (5, 0, 3), (6, 2, 0)]
    )
]
WIDTH, SEED = 12, 11


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def options(**changes):
    return decoding_options(max_new_tokens=WIDTH, **changes)


def alone(model, ask, chosen, purpose="policy_samples") -> list[int]:
    """What plain sampling draws for one ask."""
    key = (ask.step, ask.prompt, ask.sample)
    uniforms = seeding.uniforms(SEED, purpose, [key], WIDTH)
    [response] = sample_responses(model, [PROMPTS[ask.prompt]], uniforms, chosen)
    return response.tokens


@torch.no_grad()
def next_logps(model, prompt, tokens) -> np.ndarray:
    """float64 [len(tokens), V] at temperature 1, of the library's own forward."""
    logits = model(input_ids=torch.tensor([[*prompt, *tokens]])).logits[0]
    logits = logits[len(prompt) - 1 : -1].double()
    return logits.log_softmax(-1).numpy()


def by_hand(model, prompt, tokens, temperature=1.0, top_p=1.0) -> float:
    """log-probability of the tokens: probabilities to the power 1/temperature; of them the largest until
    they have the share top_p."""
    total = 0.0
    for row, token in zip(next_logps(model, prompt, tokens), tokens, strict=True):
        p = np.exp(row / temperature)
        p /= p.sum()
        kept, mass = [], 0.0
        for candidate in np.argsort(-p):
            if mass >= top_p:
                break
            kept.append(candidate)
            mass += p[candidate]
        assert token in kept
        total += math.log(p[token] / mass)
    return total


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.6, 1.0), (1.0, 0.7), (1.5, 0.9)])
def test_the_policy_s_samples_are_those_of_plain_sampling(model, temperature, top_p):
    chosen = options(temperature=temperature, top_p=top_p)
    found = PolicySamples(chosen, SEED).draw(ASKS, PROMPTS, model)
    assert len(found) == len(ASKS)
    for ask, one in zip(ASKS, found, strict=True):
        assert one.tokens == alone(model, ask, chosen)
        expected = by_hand(model, PROMPTS[ask.prompt], one.tokens, temperature, top_p)
        assert one.logp == pytest.approx(expected, abs=1e-5, rel=2e-6)
    assert len({tuple(one.tokens) for one in found}) == len(ASKS)


def test_below_temperature_1_log_probabilities_are_not_the_model_s(model):
    for ask, one in zip(
        ASKS, PolicySamples(options(temperature=0.6), SEED).draw(ASKS, PROMPTS, model), strict=True
    ):
        assert abs(one.logp - by_hand(model, PROMPTS[ask.prompt], one.tokens)) > 1e-2


def test_order_and_company_of_asks_change_nothing(model):
    behaviour = PolicySamples(options(), SEED)
    found = behaviour.draw(ASKS, PROMPTS, model)
    backwards = behaviour.draw(ASKS[::-1], PROMPTS, model)[::-1]
    assert [one.tokens for one in backwards] == [one.tokens for one in found]
    logps = [one.logp for one in found]
    assert [one.logp for one in backwards] == pytest.approx(logps, abs=1e-5)
    [third] = behaviour.draw(ASKS[2:3], PROMPTS, model)
    assert third.tokens == found[2].tokens


def test_another_purpose_or_seed_is_other_noise(model):
    first = PolicySamples(options(), SEED).draw(ASKS, PROMPTS, model)
    for other in (PolicySamples(options(), SEED, "other"), PolicySamples(options(), SEED + 1)):
        tokens = [one.tokens for one in other.draw(ASKS, PROMPTS, model)]
        assert tokens != [one.tokens for one in first]


def test_what_is_drawn_is_json(model):
    for one in PolicySamples(options(), SEED).draw(ASKS, PROMPTS, model):
        assert json.loads(json.dumps([one.tokens, one.logp])) == [one.tokens, one.logp]


def test_dropout_is_off_while_it_draws_and_on_again_afterwards(model):
    policy = randomised(tiny_lora(dropout=0.5))
    quiet = PolicySamples(options(), SEED).draw(ASKS, PROMPTS, policy)
    train_adapters(policy)
    modes = [module.training for module in policy.modules()]
    assert any(modes) and not all(modes)
    assert PolicySamples(options(), SEED).draw(ASKS, PROMPTS, policy) == quiet
    assert [module.training for module in policy.modules()] == modes


def test_a_reference_of_its_own_draws_whatever_the_policy_is(model):
    reference = tiny_model(seed=5)
    behaviour = ReferenceSamples(options(), SEED, reference)
    found = behaviour.draw(ASKS, PROMPTS, model)
    assert behaviour.draw(ASKS, PROMPTS, tiny_model(seed=6)) == found
    for ask, one in zip(ASKS, found, strict=True):
        assert one.tokens == alone(reference, ask, options(), "reference_samples")
        expected = by_hand(reference, PROMPTS[ask.prompt], one.tokens)
        assert one.logp == pytest.approx(expected, abs=1e-5, rel=2e-6)


def test_the_policy_with_its_adapter_off_is_the_reference(model):
    policy = lora_policy()
    behaviour = ReferenceSamples(options(), SEED, None)
    found = behaviour.draw(ASKS, PROMPTS, policy)
    assert found == ReferenceSamples(options(), SEED, model).draw(ASKS, PROMPTS, policy)
    own = PolicySamples(options(), SEED, "reference_samples").draw(ASKS, PROMPTS, policy)
    assert [one.tokens for one in own] != [one.tokens for one in found]
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora" in name:
                weight.mul_(2)
    assert behaviour.draw(ASKS, PROMPTS, policy) == found
    assert PolicySamples(options(), SEED, "reference_samples").draw(ASKS, PROMPTS, policy) != own


class Fallback(Stateless):
    def __init__(self):
        self.asked = []

    def draw(self, asks, prompts, model):
        self.asked += asks
        return [Drawn([50 + ask.sample], -9.0) for ask in asks]


def asks(count, prompt=0, step=0):
    return [Ask(step, prompt, sample, 0) for sample in range(count)]


def told(replay, numbers, prompt=0):
    """The policy drew these, each with a log-probability of its own."""
    one = Ask(0, prompt, 0, 0)
    replay.remember([(one, Drawn([number], -number / 10)) for number in numbers])


def test_replay_has_the_newest_samples_each_as_likely():
    """Frequencies by simulation: 3000 draws of 3, each within 4 standard errors of 1/3."""
    replay = Replay(3, SEED, Fallback())
    told(replay, [1, 2])
    assert {one.tokens[0] for one in replay.draw(asks(50), PROMPTS, None)} == {1, 2}
    told(replay, [3, 4, 5])
    told(replay, [])
    drawn = replay.draw(asks(3000), PROMPTS, None)
    numbers = np.array([one.tokens[0] for one in drawn])
    assert set(numbers) == {3, 4, 5}
    for number in (3, 4, 5):
        assert abs((numbers == number).mean() - 1 / 3) < 4 * math.sqrt(2 / 9 / 3000)
    # As they were when they were drawn: no model is asked.
    assert all(one.logp == -one.tokens[0] / 10 for one in drawn)


def test_replay_is_keyed_by_the_ask():
    replay = Replay(100, SEED, Fallback())
    told(replay, range(100))
    together = replay.draw(asks(30), PROMPTS, None)
    assert [replay.draw([ask], PROMPTS, None)[0] for ask in asks(30)] == together
    assert replay.draw(asks(30, step=1), PROMPTS, None) != together


def test_prompts_of_which_nothing_is_known_are_left_to_the_fallback():
    replay = Replay(3, SEED, Fallback())
    assert [one.tokens for one in replay.draw(asks(2), PROMPTS, None)] == [[50], [51]]
    told(replay, [7], prompt=1)
    mixed = [*asks(2), *asks(1, prompt=1), *asks(1, prompt=2)]
    found = replay.draw(mixed, PROMPTS, None)
    assert [(one.tokens, one.logp) for one in found] == [
        ([50], -9.0),
        ([51], -9.0),
        ([7], -0.7),
        ([50], -9.0),
    ]
    assert [ask.prompt for ask in replay.fallback.asked[2:]] == [0, 0, 2]


def test_replay_s_state_is_json():
    replay = Replay(3, SEED, Fallback())
    told(replay, [1, 2, 3, 4])
    told(replay, [9], prompt=2)
    other = Replay(3, SEED, Fallback())
    told(other, [8], prompt=1)
    other.load_state_dict(json.loads(json.dumps(replay.state_dict())))
    mixed = [*asks(20), *asks(20, prompt=2)]
    assert other.draw(mixed, PROMPTS, None) == replay.draw(mixed, PROMPTS, None)
    assert [one.tokens for one in other.draw(asks(1, prompt=1), PROMPTS, None)] == [[50]]
    for both in (replay, other):
        told(both, [5])
    assert other.draw(mixed, PROMPTS, None) == replay.draw(mixed, PROMPTS, None)


def test_frequencies_are_the_model_s():
    """By enumeration of a first token: 6000 samples against the plain forward, 4 standard errors."""
    model = tiny_model(factor=3.0)
    many = [Ask(0, 0, sample, 0) for sample in range(6000)]
    chosen = decoding_options(max_new_tokens=1, batch_rows=2000)
    found = PolicySamples(chosen, SEED).draw(many, PROMPTS, model)
    p = np.exp(next_logps(model, PROMPTS[0], [0])[0])
    counts = np.bincount([one.tokens[0] for one in found], minlength=VOCABULARY)
    errors = np.sqrt(p * (1 - p) / len(many)) + 1e-9
    assert (np.abs(counts / len(many) - p) < 4 * errors + 1e-3).all()
