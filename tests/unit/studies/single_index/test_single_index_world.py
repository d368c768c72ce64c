"""The data-generating process: the published draws, number by number."""

import numpy as np
import pytest
import single_index_samples as samples
import torch

from prefgrid.statistics import identifiability
from prefgrid.studies.single_index import network, world

PUBLISHED = world.Size(dimension=20, actions=10, hidden=32, contexts=2000)
# Standard deviation of u over the training pairs of seeds 0 to 9, measured with the published code.
SD_OF_U = [1.81, 2.69, 1.40, 1.80, 2.49, 1.58, 2.62, 2.15, 2.11, 1.64]


@pytest.fixture(scope="module")
def ten_seeds() -> world.Draws:
    return world.draw(range(10), 1000, PUBLISHED)


def test_utilities_are_those_of_the_published_code(ten_seeds):
    spread = world.utility_diffs(ten_seeds, 10.0).std(axis=1, ddof=1)
    assert [round(float(one), 2) for one in spread] == SD_OF_U


def test_rewards_have_the_published_levels(ten_seeds):
    """The reference earns about −0.10 on average, the best action about 2.1 (1.5 to 3.1)."""
    rewards = world.rewards(ten_seeds.teacher, ten_seeds.held_out, 10.0)
    assert rewards.mean().item() == pytest.approx(-0.10, abs=0.03)
    best = rewards.amax(dim=2).mean(dim=1)
    assert best.mean().item() == pytest.approx(2.1, abs=0.15)
    assert best.min().item() == pytest.approx(1.5, abs=0.1)
    assert best.max().item() == pytest.approx(3.1, abs=0.1)
    # Equal actions make pure-noise labels: one pair in ten.
    same = (ten_seeds.actions[..., 0] == ten_seeds.actions[..., 1]).float().mean()
    assert same.item() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_the_torch_stream_is_the_published_one(shift):
    """Global seed, teacher made of library layers, torch.bernoulli, student: the same numbers."""
    size, seed, pairs = PUBLISHED, 7, 200
    draws = world.draw([seed], pairs, size)
    labels = world.labels(draws, 10.0, shift, tau=0.25)

    def layers():
        return torch.nn.Sequential(
            torch.nn.Linear(20, 32),
            torch.nn.ReLU(),
            torch.nn.Linear(32, 32),
            torch.nn.ReLU(),
            torch.nn.Linear(32, 10),
        )

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        teacher = layers()
        with torch.no_grad():
            reward = 10 * (teacher(draws.contexts[0]).log_softmax(-1) + np.log(10))
        u = reward.gather(1, draws.actions[0])[:, 1] - reward.gather(1, draws.actions[0])[:, 0]
        probability = (torch.sigmoid((u - shift) / 0.25) + torch.sigmoid((u + shift) / 0.25)) / 2
        expected = torch.bernoulli(probability)
        student, permutation = layers(), torch.randperm(pairs)
    assert torch.equal(labels[0], expected)
    assert torch.equal(draws.student["weight_1"][0], student[2].weight.T)
    assert torch.equal(draws.student["bias_2"][0, 0], student[4].bias)
    generator = torch.Generator()
    generator.set_state(draws.generator_state[0].clone())
    assert torch.equal(torch.randperm(pairs, generator=generator), permutation)


@pytest.mark.parametrize(
    ("shift", "excess", "accuracy"),
    [(0.0, 0.0, 0.893), (0.25, 0.00014, 0.884), (0.5, 0.0018, 0.859), (0.75, 0.0065, 0.826)]
    + [(1.0, 0.0135, 0.791), (1.25, 0.0210, 0.756), (1.5, 0.0276, 0.723)],
)
def test_links_are_as_far_from_logistic_as_published(ten_seeds, shift, excess, accuracy):
    """Excess KL of the best-rescaled logistic link and Bayes accuracy, means over ten seeds."""
    utilities = world.utility_diffs(ten_seeds, 10.0)
    fits = [identifiability.best_logistic(u, shift / 0.25, 0.25).excess_kl_nats for u in utilities]
    # The smallest of these was printed with two digits.
    assert np.mean(fits) == pytest.approx(excess, rel=0.03, abs=1e-5)
    bayes = [identifiability.bayes_accuracy(u, shift / 0.25, 0.25) for u in utilities]
    assert np.mean(bayes) == pytest.approx(accuracy, abs=0.002)


def test_a_seed_is_drawn_alike_alone_and_among_others():
    alone, among = samples.draws((4,)), samples.draws((3, 4, 5))
    for name in ("contexts", "actions", "noise", "held_out", "generator_state"):
        assert torch.equal(getattr(alone, name)[0], getattr(among, name)[1]), name
    for name, tensor in alone.teacher.items():
        assert torch.equal(tensor[0], among.teacher[name][1])


def test_shifts_share_the_label_noise():
    """z = [U < Ψ_s(u)] with one U: a label changes between shifts only where U lies between."""
    drawn = samples.draws()
    u = world.utility_diffs(drawn, 10.0)
    near, far = (world.labels(drawn, 10.0, shift, 0.25).numpy() for shift in (0.0, 1.0))

    def psi(shift):
        return 0.5 / (1 + np.exp(-(u - shift) / 0.25)) + 0.5 / (1 + np.exp(-(u + shift) / 0.25))

    between = (drawn.noise.numpy() < psi(0.0)) != (drawn.noise.numpy() < psi(1.0))
    assert (near != far).any() and np.array_equal(near != far, between)


def test_a_stack_is_its_networks_one_by_one():
    drawn = samples.draws()
    together = network.log_policy(drawn.student, drawn.contexts)
    for run in range(len(samples.SEEDS)):
        with torch.no_grad():
            alone = samples.module(drawn.student, run)(drawn.contexts[run]).log_softmax(-1)
        torch.testing.assert_close(together[run], alone, atol=1e-6, rtol=0)
    # The uniform reference has log-ratio 0: log(1/K) + log K.
    uniform = torch.full((1, 2, 5), -np.log(5))
    assert network.reference_log_ratio(uniform).abs().max() < 1e-6
