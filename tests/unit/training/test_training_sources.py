"""Groups that a mix of behaviours draws: how many by each, to which prompts, keyed by what."""

import json
from collections import Counter

import numpy as np
import pytest

from prefgrid import seeding
from prefgrid.training.processes import Processes
from prefgrid.training.sources import Drawn, MixedSource, Stateless, check_mix

PROMPTS = [[5], [6, 7], [8], [9, 9], [4], [3], [2, 3]]
MIX = {"policy": 0.5, "other": 0.3, "fixed": 0.2}


class Keyed(Stateless):
    """Two tokens that the key of an ask chooses, and whose log-probability they are."""

    def __init__(self, name: str, seed: int = 0):
        self.name = name
        self.seed = seed
        self.asks = []

    def draw(self, asks, prompts, model):
        self.asks += asks
        found = []
        for ask in asks:
            stream = seeding.stream(self.seed, self.name, ask.step, ask.prompt, ask.sample)
            tokens = stream.integers(2, 100, size=2).tolist()
            found.append(Drawn(tokens, -float(sum(tokens))))
        return found


class Counting(Stateless):
    """How often it was asked before."""

    def draw(self, asks, prompts, model):
        return [Drawn([2 + ask.number], -float(ask.number)) for ask in asks]


class Remembering(Keyed):
    """The sum of all log-probabilities of the policy that it was told."""

    total = 0.0

    def draw(self, asks, prompts, model):
        return [Drawn([1], self.total) for _ in asks]

    def remember(self, policy):
        self.total += sum(one.logp for _, one in policy)

    def state_dict(self):
        return {"total": self.total}

    def load_state_dict(self, state):
        self.total = state["total"]


class Visits:
    """Values that say when they were made, and for what."""

    def __init__(self):
        self.first = None

    def refresh(self, steps, model, processes):
        self.first = steps.start

    def of(self, step, prompt):
        return 100.0 * self.first + 10 * step + prompt

    def state_dict(self):
        return {"first": self.first}

    def load_state_dict(self, state):
        self.first = state["first"]


def score(prompts, responses):
    return [-prompt - sum(tokens) / 100 for prompt, tokens in zip(prompts, responses, strict=True)]


def source(mix=None, *, size=5, prompts=PROMPTS, others=Keyed, **named) -> MixedSource:
    mix = MIX if mix is None else mix
    behaviours = {
        name: (Counting() if name == "fixed" else others(name), share)
        for name, share in mix.items()
    }
    return MixedSource(prompts, behaviours, score, size=size, seed=3, **named)


def drawn(of: MixedSource, steps: range, groups: int = 3):
    return of.draw(steps, groups, None, Processes())


def counts(group) -> Counter:
    return Counter(group.behaviours)


@pytest.mark.parametrize(
    ("mix", "size"),
    [
        (MIX, 5),
        ({"policy": 0.03, "other": 0.97}, 8),
        ({"policy": 1 / 3, "other": 1 / 3, "fixed": 1 / 3}, 1),
        ({f"b{k}": 0.1 for k in range(10)}, 10),
        ({"policy": 1.0}, 4),
    ],
)
def test_shares_are_right_on_average_and_almost_in_every_group(mix, size):
    """By simulation: a behaviour's number in a group is its share rounded up or down, and the mean of
    such a number has a standard error of at most 1/2 over the root of the number of groups."""
    groups = drawn(source(mix, size=size), range(1000), 3)
    found = np.array([[counts(group)[name] for name in mix] for group in groups])
    shares = size * np.array(list(mix.values()))
    assert (found.sum(1) == size).all()
    assert (np.abs(found - shares) < 1).all()
    np.testing.assert_allclose(found.mean(0), shares, atol=4 * 0.5 / np.sqrt(len(groups)))
    fractional = np.abs(shares - shares.round()) > 1e-9
    assert (found.std(0)[fractional] > 0).all()


def test_prompts_come_in_rounds_each_in_an_order_of_its_own():
    groups = drawn(source(), range(7), 3)
    rounds = [[group.prompt for group in groups[start : start + 7]] for start in (0, 7, 14)]
    assert all(sorted(found) == list(range(7)) for found in rounds)
    assert len(set(map(tuple, rounds))) == 3
    for group in groups:
        assert group.prompt_tokens == PROMPTS[group.prompt]


def test_keys_are_unique_where_a_step_has_more_groups_than_there_are_prompts():
    behaviour = Keyed("policy")
    drawn(
        MixedSource(PROMPTS[:2], {"policy": (behaviour, 1.0)}, score, size=4, seed=3), range(3), 5
    )
    keys = {(ask.step, ask.prompt, ask.sample) for ask in behaviour.asks}
    assert len(behaviour.asks) == len(keys) == 3 * 5 * 4
    assert [ask.number for ask in behaviour.asks] == list(range(60))
    for step in range(3):  # 2 or 3 of the 5 groups are to one prompt, and samples go on
        for prompt in (0, 1):
            samples = [s for t, p, s in keys if (t, p) == (step, prompt)]
            assert sorted(samples) == list(range(len(samples))) and len(samples) in (8, 12)


def test_how_many_steps_are_drawn_at_once_changes_nothing():
    whole, parts = source(), source()
    expected = drawn(whole, range(6))
    for size in (1, 2, 3):
        parts = source()
        found = [g for start in range(0, 6, size) for g in drawn(parts, range(start, start + size))]
        assert found == expected


def test_what_a_behaviour_draws_for_a_key_does_not_depend_on_the_others():
    """Not every key is asked of it in both mixes."""
    found = []
    for mix in (MIX, {"policy": 0.4, "fixed": 0.6}):
        of = source(mix)
        groups = drawn(of, range(4))
        responses = [
            tokens
            for group in groups
            for name, tokens in zip(group.behaviours, group.responses, strict=True)
            if name == "policy"
        ]
        asks = of.behaviours["policy"].asks
        keys = [(ask.step, ask.prompt, ask.sample) for ask in asks]
        found.append(dict(zip(keys, responses, strict=True)))
    common = set(found[0]) & set(found[1])
    assert len(common) > 15 and found[0].keys() != found[1].keys()
    assert all(found[0][key] == found[1][key] for key in common)


def test_a_group_holds_scores_log_probabilities_and_behaviours_of_its_responses():
    groups = drawn(source(values=Visits()), range(2, 4))
    steps = [2] * 3 + [3] * 3
    for step, group in zip(steps, groups, strict=True):
        assert group.target == score([group.prompt] * 5, group.responses)
        assert group.prompt_value == 200 + 10 * step + group.prompt
        for name, tokens, logp in zip(
            group.behaviours, group.responses, group.sampling_logps, strict=True
        ):
            assert logp == (2.0 - tokens[0] if name == "fixed" else -sum(tokens))
    assert drawn(source(), range(1))[0].prompt_value is None


def test_the_policy_s_samples_are_told_once_after_all_have_drawn():
    of = source(others=lambda name: (Keyed if name == "policy" else Remembering)(name))
    first, second = drawn(of, range(2)), drawn(of, range(2, 4))

    def told(groups, name):
        return [
            logp
            for group in groups
            for by, logp in zip(group.behaviours, group.sampling_logps, strict=True)
            if by == name
        ]

    assert set(told(first, "other")) == {0.0}
    assert set(told(second, "other")) == {sum(told(first, "policy"))}


def test_state_is_carried_as_json():
    """Counts of asks, what a behaviour remembers, and values."""
    kinds = {"policy": Keyed, "other": Remembering}

    def new():
        return source(others=lambda name: kinds[name](name), values=Visits())

    whole = new()
    drawn(whole, range(2))
    state = json.loads(json.dumps(whole.state_dict()))
    other = new()
    drawn(other, range(9))  # what a run does before it finds its checkpoint
    other.load_state_dict(state)
    assert other.values.of(0, 0) == 0.0
    assert drawn(other, range(2, 4)) == drawn(whole, range(2, 4))


class Chosen(Stateless):
    def __init__(self, *tokens):
        self.tokens = tokens

    def draw(self, asks, prompts, model):
        return [Drawn([self.tokens[ask.sample % 2]], 0.0) for ask in asks]


@pytest.mark.parametrize(("tokens", "label"), [((2, 5), 0.0), ((5, 2), 1.0), ((4, 4), 0.5)])
def test_of_a_pair_the_response_with_the_higher_score_is_preferred(tokens, label):
    """A larger token has the lower score."""
    mix = {"policy": (Chosen(*tokens), 1.0)}
    of = MixedSource(PROMPTS, mix, score, size=2, seed=3, targets="labels")
    assert [group.target for group in drawn(of, range(2))] == [label] * 6


@pytest.mark.parametrize(
    ("mix", "said"),
    [
        ({"policy": 0.5, "uniform": 0.4}, r"'uniform': 0.4.* has the sum 0.9; allowed: .*sum 1"),
        ({"policy": 1.2, "uniform": -0.2}, r"'uniform': -0.2.* positive shares"),
        ({"policy": 1.0, "uniform": 0.0}, r"'uniform': 0.0.* positive shares"),
        ({"policy": 1.0, "uniform": float("nan")}, "'uniform': nan"),
        ({"policy": 0.5, "uniform": float("inf")}, "'uniform': inf"),
        ({}, "has the sum 0;"),
    ],
)
def test_a_mix_that_is_none_is_refused_by_name(mix, said):
    with pytest.raises(ValueError, match=said):
        check_mix(mix)
    with pytest.raises(ValueError, match=said):
        source(mix)


def test_a_group_without_a_response_is_refused():
    with pytest.raises(ValueError, match="size 0: a group has at least one response"):
        source(size=0)
