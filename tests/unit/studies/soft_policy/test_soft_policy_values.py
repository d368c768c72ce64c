"""Estimates of Q̂0 in a run: against enumeration by plain forwards, and against each other."""

import json
import math

import numpy as np
import pytest
from scipy.special import logsumexp
from tiny_decoders import randomised
from tiny_numbers import PAD, decoding, logp_by_hand, numbers, policy, taught

from prefgrid.files import store
from prefgrid.logprobs.table import dataset_logps
from prefgrid.statistics import soft_value
from prefgrid.studies.soft_policy.values import ExactValues, LoggedValues, SampledValues
from prefgrid.training.behaviours import PolicySamples, ReferenceSamples
from prefgrid.training.processes import Processes
from prefgrid.training.sources import Drawn, Stateless

BETA, SAMPLES, EPOCH = 0.2, 64, 10


def beta_at(step: int) -> float:
    return BETA * (1 + step)


@pytest.fixture(scope="module")
def asked():
    return numbers(1, 9)


@pytest.fixture(scope="module")
def reference():
    return taught()


@pytest.fixture(scope="module")
def exact(asked, reference):
    return ExactValues(asked, asked.answer_logps(reference, PAD), beta_at)


def value_by_hand(asked, model, place, beta) -> float:
    """β·log(Σ_n π_ref(n)·e^(r/β) + (1 − Σ_n π_ref(n))·e^(r_invalid/β))."""
    task = asked.tasks[place]
    p = np.exp([logp_by_hand(model, asked.prompts[place], t) for t in asked.answers[place]])
    rewards = np.array([-abs(n - task.target) / 8 for n in range(1, 10)])
    rest = (1 - p.sum()) * math.exp(task.r_invalid / beta)
    return beta * math.log(p @ np.exp(rewards / beta) + rest)


def test_exact_values_are_enumerated_at_the_beta_of_the_step(asked, reference, exact):
    for place in (0, 1):
        for step in (0, 3, 0):
            expected = value_by_hand(asked, reference, place, beta_at(step))
            assert exact.of(step, place) == pytest.approx(expected, abs=1e-6)
            found = exact.at(step, place)
            assert found.standard_error == 0 and found.feasibility == pytest.approx(1)
    assert exact.of(0, 0) != exact.of(0, 1) != exact.of(3, 1)


def reference_logps(places, responses):
    asked = numbers(1, 9)
    prompts = [asked.prompts[place] for place in places]
    responses = [[tokens] for tokens in responses]
    return dataset_logps(taught(), prompts, responses, pad_id=PAD, batch_size=64)[0][:, 0]


def sampled(kind, exact, *, policy_draws=None, reference_draws=None, samples=SAMPLES, **named):
    own = ReferenceSamples(decoding(), 0, taught(), purpose="reference_values")
    return SampledValues(
        kind,
        exact,
        **{"prompts": range(2), "epoch_steps": EPOCH, **named},
        reference=reference_draws or own,
        policy=policy_draws or PolicySamples(decoding(), 0, purpose="policy_values"),
        reference_logps=reference_logps,
        samples=samples,
    )


def scores_of(asked, responses, place):
    return np.array(asked.score([place] * len(responses), responses))


class Kept(Stateless):
    """What a behaviour drew, by the place of the prompt, and when."""

    def __init__(self, behaviour):
        self.behaviour, self.steps = behaviour, []

    def draw(self, asks, prompts, model):
        drawn = self.behaviour.draw(asks, prompts, model)
        self.drawn = {0: [], 1: []}
        for ask, one in zip(asks, drawn, strict=True):
            self.drawn[ask.prompt].append(one)
        self.steps.append(asks[0].step)
        return drawn


def refresh(values, model, start=0, count=5):
    values.refresh(range(start, start + count), model, Processes())


def test_of_the_reference_s_samples_it_is_the_log_of_a_mean(asked, exact):
    draws = Kept(ReferenceSamples(decoding(), 0, taught()))
    values = sampled("reference", exact, reference_draws=draws)
    refresh(values, None)
    for place in (0, 1):
        responses = [one.tokens for one in draws.drawn[place]]
        scores = scores_of(asked, responses, place)
        assert len(scores) == SAMPLES and len(set(scores)) > 3
        for step in (0, 2):
            beta = beta_at(step)
            expected = beta * (logsumexp(scores / beta) - math.log(SAMPLES))
            assert values.of(step, place) == pytest.approx(expected, abs=1e-12)
            true = value_by_hand(asked, taught(), place, beta)
            found = values.at(step, place)
            assert found.feasibility == pytest.approx(math.exp((true - expected) / beta), rel=1e-5)


def test_weighted_by_a_policy_that_is_the_reference_nothing_changes(exact):
    """The same samples, once as the reference's and once as the policy's with weights."""
    plain = sampled("reference", exact)
    own = PolicySamples(decoding(), 0, purpose="reference_values")
    weighted = sampled("weighted", exact, policy_draws=own)
    refresh(plain, None)
    refresh(weighted, policy())
    for place in (0, 1):
        one, other = plain.at(1, place), weighted.at(1, place)
        assert other.value == pytest.approx(one.value, abs=1e-5)
        assert other.standard_error == pytest.approx(one.standard_error, rel=1e-3)
        assert np.abs(weighted.log_weights[place]).max() < 1e-4


def test_weighted_samples_of_another_policy_give_the_exact_value(asked, exact):
    """4000 samples of a policy that is not the reference: within 3 standard errors, while without weights
    one of the two is far off."""
    moved = randomised(policy(), 0.2)
    draws = Kept(PolicySamples(decoding(batch_rows=1000), 0, purpose="policy_values"))
    values = sampled("weighted", exact, policy_draws=draws, samples=4000)
    refresh(values, moved)
    off = []
    for place in (0, 1):
        found, true = values.at(0, place), value_by_hand(asked, taught(), place, BETA)
        assert abs(found.value - true) < 3 * found.standard_error
        unweighted = soft_value.from_samples(np.array(values.scores[place]), BETA)
        off.append(abs(unweighted.value - true) / unweighted.standard_error)
        one, weight = draws.drawn[place][7], values.log_weights[place][7]
        hand = [logp_by_hand(m, asked.prompts[place], one.tokens) for m in (taught(), moved)]
        assert weight == pytest.approx(hand[0] - hand[1], abs=1e-4)
    assert max(off) > 6


def test_the_published_estimate_is_of_the_reference_first_and_then_of_the_policy(asked, exact):
    reference_draws = Kept(ReferenceSamples(decoding(), 0, taught()))
    policy_draws = Kept(PolicySamples(decoding(), 0, "policy_values"))
    values = sampled("published", exact, reference_draws=reference_draws, policy_draws=policy_draws)
    for start, draws in ((0, reference_draws), (EPOCH, policy_draws)):
        refresh(values, policy(), start)
        for place in (0, 1):
            scores = scores_of(asked, [one.tokens for one in draws.drawn[place]], place)
            assert values.of(0, place) == soft_value.published(scores, BETA).value
    assert (reference_draws.steps, policy_draws.steps) == ([0], [EPOCH])


@pytest.mark.parametrize(
    ("kind", "refresh_steps", "drawn"),
    [
        ("weighted", 5, [0, 10, 20, 30]),
        ("weighted", 10, [0, 10, 20, 30]),
        # Epochs begin at 10, 20 and 30: the next groups are drawn before steps 12, 20 and 32.
        ("weighted", 4, [0, 12, 20, 32]),
        ("weighted", 20, [0, 20]),
        ("reference", 4, [0]),
    ],
)
def test_samples_are_drawn_with_the_first_groups_of_an_epoch(exact, kind, refresh_steps, drawn):
    class Same(Stateless):
        steps: list = []

        def draw(self, asks, prompts, model):
            self.steps.append(asks[0].step)
            return [Drawn(exact.numbers.answers[0][0], 0.0) for _ in asks]

    draws = Same()
    draws.steps = []
    values = sampled(kind, exact, policy_draws=draws, reference_draws=draws, samples=2)
    for start in range(0, 40, refresh_steps):
        refresh(values, None, start, refresh_steps)
    assert draws.steps == drawn


def test_state_is_json(exact):
    values, other = sampled("weighted", exact), sampled("weighted", exact)
    refresh(values, randomised(policy(), 0.1))
    refresh(other, policy())
    assert other.of(0, 0) != values.of(0, 0)
    other.load_state_dict(json.loads(json.dumps(values.state_dict())))
    assert [other.at(2, place) for place in (0, 1)] == [values.at(2, place) for place in (0, 1)]


@pytest.mark.parametrize(
    ("sum_", "sound"), [(0.49, False), (0.51, True), (1.0, True), (1.99, True), (2.01, False)]
)
def test_a_sum_outside_its_bounds_is_a_warning(asked, exact, monkeypatch, sum_, sound):
    """Q̂0 is chosen such that what is aimed at has that sum: samples all of one score, which the task
    gives to invalid strings."""
    lines = []
    monkeypatch.setattr(store, "log", lines.append)
    true = exact.of(0, 0)
    wanted = true - BETA * math.log(sum_)
    values = sampled("reference", exact, prompts=range(1))
    monkeypatch.setattr(
        type(asked), "score", lambda self, places, responses: [wanted] * len(places)
    )
    refresh(values, None)
    assert values.at(0, 0).feasibility == pytest.approx(sum_)
    assert soft_value.is_sound(sum_) == sound
    warned = [line for line in lines if line.startswith("warning")]
    if sound:
        assert not warned
    else:
        [line] = warned
        assert f"Q̂₀ by reference is {wanted:.4f}, exactly it is {true:.4f}" in line
        assert f"the sum {sum_:.3g}, which should be 1" in line


def test_logged_values_are_the_printed_ones_with_a_warning_an_epoch(asked, exact, monkeypatch):
    """Where their sums are not near 1, at a small β; of the prompts that are trained on."""
    lines, beta = [], 0.05
    monkeypatch.setattr(store, "log", lines.append)
    small = ExactValues(asked, exact.answer_logps, lambda step: beta)
    values = LoggedValues(small, prompts=range(1), epoch_steps=EPOCH)
    for start in range(0, 4 * EPOCH, 5):
        values.refresh(range(start, start + 5), None, Processes())
    printed, warned = [-0.5, -0.1836, -0.0064, -0.0064], []
    for epoch, value in enumerate(printed):
        first, last = epoch * EPOCH, (epoch + 1) * EPOCH - 1
        assert values.of(first, 0) == values.of(last, 0) == pytest.approx(value, abs=5e-5)
        sum_ = math.exp((small.of(first, 0) - values.of(first, 0)) / beta)
        assert values.at(first, 0).feasibility == pytest.approx(sum_)
        if not 0.5 <= sum_ <= 2:
            warned.append(f"Q̂₀ by logged is {value:.4f}, exactly it is {small.of(first, 0):.4f}")
    assert warned and len(lines) == len(warned)
    for line, said in zip(lines, warned, strict=True):
        assert line.startswith("warning") and said in line
