"""Exact evaluation against sums written out, closed forms and limits."""

import numpy as np
import pytest
import single_index_samples as samples
import torch
from scipy.stats import spearmanr

from prefgrid import links
from prefgrid.studies.single_index import evaluation, files, network, world

SEEDS = list(samples.SEEDS)


@pytest.fixture(scope="module")
def student() -> evaluation.Policies:
    drawn, _, _, result = samples.trained("ospo", epochs=20, learning_rate=2e-2)
    rewards = world.rewards(drawn.teacher, drawn.held_out, samples.REWARD_SCALE)
    return evaluation.Policies.of(result.student, drawn.held_out, rewards, torch.ones(3))


@pytest.fixture(scope="module")
def teacher() -> evaluation.Policies:
    drawn = samples.draws()
    rewards = world.rewards(drawn.teacher, drawn.held_out, samples.REWARD_SCALE)
    return evaluation.Policies.of(drawn.teacher, drawn.held_out, rewards, torch.ones(3))


def test_reward_and_kl_are_the_sums_written_out(student):
    """π_β(y) ∝ (1/5)·exp(a(y)/β) with a = log π_θ + log 5, context by context."""
    kl_nats, reward = student.at(np.array([0.5, 1.0, 2.0]))
    for run, beta in enumerate((0.5, 1.0, 2.0)):
        kls, rewards = [], []
        for scores, truth in zip(
            student.log_ratios[run].numpy(), student.rewards[run].numpy(), strict=True
        ):
            policy = np.exp(scores / beta) / 5
            policy /= policy.sum()
            kls.append((policy * np.log(policy / 0.2)).sum())
            rewards.append((policy * truth).sum())
        assert kl_nats[run] == pytest.approx(np.mean(kls), abs=1e-12)
        assert reward[run] == pytest.approx(np.mean(rewards), abs=1e-12)


def test_beta_one_is_the_policy_and_a_large_beta_the_reference(student):
    # To first order the reward differs by Cov(a, r)/β, here below 100/β.
    kl_nats, reward = student.at(np.full(3, 1e11))
    np.testing.assert_allclose(kl_nats, 0, atol=1e-12)
    np.testing.assert_allclose(reward, student.rewards.mean((1, 2)), atol=1e-8)
    scan = student.scan([0.2, 1.0, 5.0, 50.0], SEEDS)
    falls = scan.sort_values(["seed", "beta"]).groupby("seed")["kl_div"].apply(np.diff)
    assert all((steps < 0).all() for steps in falls) and (scan["kl_div"] > 0).all()


def test_the_sign_turns_the_policy_around(student):
    turned = evaluation.Policies(student.log_ratios, student.rewards, -torch.ones(3).double())
    back = evaluation.Policies(-student.log_ratios, student.rewards, torch.ones(3).double())
    betas = np.full(3, 0.7)
    np.testing.assert_allclose(turned.at(betas), back.at(betas), atol=1e-12)
    one, other = (policy.at_kl(0.1, SEEDS) for policy in (turned, student))
    np.testing.assert_allclose(one["index_correlation"], -other["index_correlation"])


def test_nothing_beats_the_teacher_at_the_same_kl(teacher, student):
    """π* ∝ π_ref·exp(r/β) maximises E[r] at its KL; at β = ν = 10 it is the teacher's own policy."""
    for kappa in (0.01, 0.1, 0.3):
        best = teacher.at_kl(kappa, SEEDS)["reward"]
        assert (best > student.at_kl(kappa, SEEDS)["reward"]).all()
        noisy = evaluation.Policies(
            teacher.log_ratios + 0.02 * torch.randn(3, 60, 5).double(),
            teacher.rewards,
            teacher.signs,
        )
        assert (best > noisy.at_kl(kappa, SEEDS)["reward"]).all()


def test_reward_at_a_kl_is_where_the_kl_is(student):
    found = student.at_kl(0.15, SEEDS)
    kl_nats, reward = student.at(found["beta"].to_numpy())
    np.testing.assert_allclose(kl_nats, 0.15, atol=1e-9)
    np.testing.assert_allclose(reward, found["reward"], atol=1e-12)
    out_of_reach = student.at_kl(np.log(5) + 0.1, SEEDS)  # no policy over 5 actions is so far
    assert out_of_reach["reward"].isna().all() and out_of_reach["beta"].isna().all()


def test_index_correlation_is_spearmans_over_all_pairs(student):
    found = student.at_kl(0.1, SEEDS)
    index, utility = [], []
    for scores, truth in zip(student.log_ratios[1], student.rewards[1], strict=True):
        for i in range(5):
            for j in range(i + 1, 5):
                index.append((scores[j] - scores[i]).item())
                utility.append((truth[j] - truth[i]).item())
    assert len(index) == 60 * 10
    assert found["index_correlation"][1] == pytest.approx(spearmanr(index, utility).statistic)
    agree = np.mean(np.sign(index) == np.sign(utility))
    assert found["pair_accuracy"][1] == pytest.approx(agree)


def test_the_true_link_of_a_perfect_index_is_the_link_itself():
    """Log-ratios r*/4 make t = u/4: at x sd(t) the truth is Ψ(4·x·sd(t)), up to the bins' width."""
    drawn = world.draw((1,), 10, world.Size(dimension=4, actions=8, hidden=8, contexts=4000))
    rewards = world.rewards(drawn.teacher, drawn.held_out, 10.0)
    perfect = evaluation.Policies(rewards.double() / 4, rewards.double(), torch.ones(1).double())
    table = torch.linspace(-5, 5, 2001)[None].double()
    curves = perfect.link_curves(table, torch.sigmoid(table), shift=0.5, tau=0.25, seeds=[1])
    spread = np.sqrt((perfect.pairs()[0] ** 2).mean())
    expected = links.mixture(4 * curves["index_sd"].to_numpy() * spread, 0.5 / 0.25, 0.25)
    filled = curves["true"].notna()
    assert filled.sum() > 50
    assert np.abs(curves["true"] - expected)[filled].max() < 0.02
    learned = 1 / (1 + np.exp(-curves["index_sd"] * spread))
    np.testing.assert_allclose(curves["learned"], learned, atol=1e-4)


def test_an_objective_without_a_link_has_no_learned_curve(student):
    table = torch.linspace(-1, 1, 11).repeat(3, 1).double()
    curves = student.link_curves(table, torch.full((3, 11), torch.nan), 0.5, 0.25, SEEDS)
    assert curves["learned"].isna().all() and curves["true"].notna().any()


def test_files_hold_what_was_saved(tmp_path):
    drawn = samples.draws()
    files.save(tmp_path / "draws.safetensors", drawn)
    loaded = files.load_draws(tmp_path / "draws.safetensors")
    assert torch.equal(loaded.generator_state, drawn.generator_state)
    for stack in ("teacher", "student"):
        ours, theirs = getattr(loaded, stack), getattr(drawn, stack)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    policy = network.log_policy(loaded.student, loaded.contexts)
    assert torch.equal(policy, network.log_policy(drawn.student, drawn.contexts))
