"""Q0 = β·log E_ref[exp(r/β)]: the published table, estimates against enumeration, the published code.

The kind of bug: an estimate that is plausible and off by nats, which training then aims at.
"""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import log_softmax

from prefgrid.statistics import soft_value
from prefgrid.statistics.soft_value import (
    enumerated,
    exact,
    feasibility,
    from_samples,
    published,
    published_constant,
)

NUMBERS = np.arange(1, 101)
UNIFORM = np.full(100, -np.log(100.0))
# What a language model writes, mostly 74.
PEAKED = np.log(np.exp(-((NUMBERS - 74) ** 2) / 288) + 0.02)
PEAKED = PEAKED - np.log(np.exp(PEAKED).sum())
# β: Q0, π*(target), E[r], mean n, KL(π*‖ref), E_ref (Q0 − r)².
TABLE = {
    1.0: (-0.45785, 0.0158, -0.4164, 42.22, 0.041, 0.0868),
    0.3: (-0.36970, 0.0343, -0.2589, 26.63, 0.369, 0.1020),
    0.1: (-0.22626, 0.0961, -0.0950, 10.40, 1.313, 0.1600),
    0.05: (-0.14532, 0.1829, -0.0451, 5.467, 2.004, 0.2108),
    0.02: (-0.07360, 0.3965, -0.0154, 2.522, 2.912, 0.2668),
    0.01: (-0.04152, 0.6358, -0.0058, 1.573, 3.574, 0.2952),
    0.005: (-0.02231, 0.8674, -0.0015, 1.153, 4.154, 0.3132),
}
DIGITS = (5e-6, 5e-5, 5e-5, 5e-3, 5e-4, 5e-5)


def rewards_of(target: int) -> np.ndarray:
    return -np.abs(NUMBERS - target) / max(100 - target, target - 1)


def optimum(reference_logps, rewards, beta) -> tuple[float, np.ndarray]:
    """Q0 and π* of the answers."""
    value = exact(reference_logps, rewards, -1.0, beta).value
    return value, np.exp(reference_logps + (rewards - value) / beta)


@pytest.mark.parametrize("beta", TABLE)
def test_the_table_of_a_uniform_reference(beta):
    rewards = rewards_of(1)
    value, star = optimum(UNIFORM, rewards, beta)
    assert star.sum() == pytest.approx(1, abs=1e-12)
    kl = stats.entropy(star, np.exp(UNIFORM))
    found = (value, star[0], star @ rewards, star @ NUMBERS, kl, np.mean((value - rewards) ** 2))
    for one, wanted, digits in zip(found, TABLE[beta], DIGITS, strict=True):
        # Some last digits of the table are of a mean of 4 digits.
        assert one == pytest.approx(wanted, abs=1.001 * digits)


def test_the_table_s_target_of_50():
    rewards = rewards_of(50)
    value, star = optimum(UNIFORM, rewards, 0.01)
    assert value == pytest.approx(-0.04333, abs=5e-6)
    assert (star[49], star @ rewards) == pytest.approx((0.7616, -0.0055), abs=5e-5)


def test_exact_values_count_the_rest():
    """Answers of mass .2 and .3, rewards −1 and −.5, the rest −2: by the definition; β = .5."""
    found = exact(np.log([0.2, 0.3]), [-1.0, -0.5], -2.0, 0.5)
    z = 0.2 * np.exp(-2) + 0.3 * np.exp(-1) + 0.5 * np.exp(-4)
    assert found.value == pytest.approx(0.5 * np.log(z), rel=1e-12)
    assert (found.standard_error, found.effective_samples) == (0.0, np.inf)
    assert found.feasibility == pytest.approx(1, rel=1e-12)


def test_feasibility_is_the_factor_between_partition_sums():
    """Of −.5 at β = .01: e^45.85, as its definition says, summed plainly."""
    rewards = rewards_of(1)
    masses = enumerated(UNIFORM, rewards, -1.0)
    plain = np.mean(np.exp((rewards + 0.5) / 0.01))
    assert feasibility(-0.5, masses, 0.01) == pytest.approx(plain, rel=1e-10)
    assert np.log(plain) == pytest.approx(45.85, abs=0.005)
    assert feasibility(-1e6, masses, 0.01) == np.inf and feasibility(1e6, masses, 0.01) == 0


def drawn(weights, count, seed):
    """Positions of `count` answers drawn from the probabilities `weights`."""
    return np.random.default_rng(seed).choice(len(weights), count, p=weights / weights.sum())


def behaviours(beta):
    """Policies between the reference and the optimum, as training passes through them."""
    _, star = optimum(UNIFORM, rewards_of(1), beta)
    return {
        "half": 0.5 * star + 0.5 * np.exp(UNIFORM),
        "near": star**0.8 / (star**0.8).sum(),
    }


@pytest.mark.parametrize("beta", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("policy", ["half", "near"])
def test_weighted_samples_of_the_policy_are_exact_within_their_error(beta, policy):
    """1000 estimates from 256 samples each: z scores have the tails of a normal's, within 3
    binomial standard errors, and 99 % lie within 3 of their own."""
    rewards, mu = rewards_of(1), behaviours(beta)[policy]
    value, _ = optimum(UNIFORM, rewards, beta)
    scores = []
    for seed in range(1000):
        at = drawn(mu, 256, seed)
        found = from_samples(rewards[at], beta, (UNIFORM - np.log(mu))[at])
        scores.append(abs(found.value - value) / found.standard_error)
    scores = np.array(scores)
    assert (scores < 3).mean() > 0.99
    assert (scores < 1.96).mean() == pytest.approx(0.95, abs=3 * np.sqrt(0.05 * 0.95 / 1000))


def test_samples_of_the_optimum_leave_nothing_to_chance():
    """μ = π*: every weight times exp(r/β) is Z, so any sample gives Q0, without error."""
    rewards = rewards_of(1)
    value, star = optimum(PEAKED, rewards, 0.05)
    at = drawn(star, 10, seed=0)
    found = from_samples(rewards[at], 0.05, (PEAKED - np.log(star))[at])
    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.standard_error == pytest.approx(0, abs=1e-12)
    assert found.effective_samples == pytest.approx(10)


def test_estimates_by_hand():
    """β = 1, rewards log 1, log 2, log 6: mean 3, sd √7, so the error is √7/(3·√3); (9²)/41 samples."""
    found = from_samples(np.log([1.0, 2.0, 6.0]), 1.0)
    assert found.value == pytest.approx(np.log(3))
    assert found.standard_error == pytest.approx(np.sqrt(7 / 3) / 3)
    assert found.effective_samples == pytest.approx(81 / 41)
    assert np.isnan(found.feasibility)
    # Weights ½, 1, 2 make exp(r)·w ½, 2, 12.
    found = from_samples(np.log([1.0, 2.0, 6.0]), 1.0, np.log([0.5, 1.0, 2.0]))
    assert found.value == pytest.approx(np.log(14.5 / 3))
    one = from_samples(np.array([-0.3]), 1.0)
    assert one.value == pytest.approx(-0.3) and np.isnan(one.standard_error)


def test_rewards_that_exp_does_not_hold():
    """r/β = −1e5: the mean of exp underflows, logsumexp does not."""
    found = from_samples(np.array([-100.0, -100.0]), 1e-3)
    assert (found.value, found.standard_error) == pytest.approx((-100.0, 0.0))


def test_reference_samples_of_a_peaked_reference_are_biased_low():
    """β = .01: “1” and “2” carry 86 % of Z and are in 28 % of the sets of 256, so most
    estimates miss by nats, and by more of their standard errors than the normal tail knows."""
    rewards = rewards_of(1)
    value, star = optimum(PEAKED, rewards, 0.01)
    masses = enumerated(PEAKED, rewards, -1.0)
    found = [
        from_samples(rewards[drawn(np.exp(PEAKED), 256, seed)], 0.01, judge=masses)
        for seed in range(500)
    ]
    misses = np.array([one.value - value for one in found])
    low = np.array([one.feasibility for one in found])
    np.testing.assert_allclose(low, np.exp(-misses / 0.01))
    assert np.median(misses) / 0.01 < -0.5 and misses.mean() < 0
    scores = np.abs(misses / [one.standard_error for one in found])
    assert (scores > 3).mean() > 0.1
    assert np.mean([one.effective_samples for one in found]) < 5


def test_the_feasibility_by_other_samples_is_that_by_enumeration():
    """An estimate of −.1 at β = .05, judged by 20,000 weighted samples: within 5 %."""
    rewards, beta = rewards_of(1), 0.05
    mu = behaviours(beta)["half"]
    at = drawn(mu, 20_000, seed=1)
    others = soft_value.sampled(rewards[at], (UNIFORM - np.log(mu))[at])
    known = enumerated(UNIFORM, rewards, -1.0)
    assert feasibility(-0.1, others, beta) == pytest.approx(
        feasibility(-0.1, known, beta), rel=0.05
    )
    # The samples behind an estimate praise it, whatever it is worth: here two that miss Z wholly.
    few = from_samples(rewards[[49, 60]], beta, judge=known)
    own = soft_value.sampled(rewards[[49, 60]])
    assert feasibility(few.value, own, beta) == pytest.approx(1, rel=1e-12)
    assert few.feasibility > 1000


def test_residuals_are_the_value_at_the_optimum_and_below_it_before():
    """E_π[r − β·Δ] = E[r] − β·KL(π‖ref) ≤ Q0, by enumeration at another policy."""
    rewards, beta = rewards_of(1), 0.05
    value, star = optimum(UNIFORM, rewards, beta)
    at_optimum = soft_value.from_residuals(rewards - beta * (np.log(star) - UNIFORM), beta)
    assert at_optimum.value == pytest.approx(value, rel=1e-12)
    assert at_optimum.standard_error == pytest.approx(0, abs=1e-12)
    policy = np.exp(log_softmax(-NUMBERS / 20))
    residuals = rewards - beta * (np.log(policy) - UNIFORM)
    bound = policy @ rewards - beta * stats.entropy(policy, np.exp(UNIFORM))
    at = drawn(policy, 4000, seed=3)
    found = soft_value.from_residuals(residuals[at], beta, enumerated(UNIFORM, rewards, -1.0))
    assert bound < value - 0.05
    assert abs(found.value - bound) < 3 * found.standard_error < 0.01
    assert found.effective_samples == 4000
    assert found.feasibility == pytest.approx(np.exp((value - found.value) / beta))


# Halfway between two numbers of bfloat16, below an even and above an even one; and 0.
TIES = [1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-8), 0.0]


def torch_published(rewards, beta) -> float:
    """Its formula in torch's own bfloat16."""
    tensor = torch.tensor(rewards, dtype=torch.bfloat16)
    mean = torch.exp((tensor / beta).clamp(-20, 0)).mean().clamp(min=1e-8)
    return (beta * mean.log()).item()


def test_published_constants():
    """The floor whatever the rewards are, the fallback below 1 % of successes, and 26 % of “1” with 74 %
    of “2”, as its log shows them."""
    floor = published(np.full(256, -0.3), 0.01)
    assert floor.value == published(np.full(256, -0.45), 0.01).value == -0.18359375
    few, enough = np.full(256, -0.9), np.full(256, -0.9)
    few[:2], enough[:3] = 0.0, 0.0
    assert published(few, 0.01).value == -0.5
    assert published(enough, 0.01).value > -0.05
    log = published(np.where(np.arange(256) < 66, 0.0, -1 / 99), 0.01)
    assert f"{log.value:.4f}" == "-0.0064"
    assert np.isnan(log.standard_error) and np.isnan(log.effective_samples)
    # Which of them is a constant is said, on both sides of each limit.
    assert "fallback -0.5" in published_constant(few, 0.01)
    assert published_constant(enough, 0.01) == ""
    assert "floor of a clamp" in published_constant(np.full(256, -0.3), 0.01)
    assert "floor of a clamp" in published_constant(np.full(256, -0.19), 0.01)
    assert published_constant(np.full(256, -0.18), 0.01) == ""


def test_the_published_estimate_is_that_of_torch_in_bfloat16():
    random = np.random.default_rng(0)
    for beta in (0.01, 0.05, 0.3):
        for target in (1, 50):
            rewards = rewards_of(target)[random.integers(0, 100, 256)]
            assert published(rewards, beta).value == torch_published(rewards, beta)
    values = np.concatenate([random.normal(size=1000) * 10.0 ** random.integers(-9, 9, 1000), TIES])
    theirs = torch.tensor(values, dtype=torch.float32).to(torch.bfloat16).double().numpy()
    np.testing.assert_array_equal(soft_value.bfloat16(values), theirs)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="beta = 0; allowed: a number > 0"):
        from_samples(np.array([-1.0]), 0)
    with pytest.raises(ValueError, match="sum to 1.2; allowed: up to 1"):
        exact(np.log([0.6, 0.6]), [0.0, -1.0], -1.0, 1.0)
    with pytest.raises(
        ValueError, match=r"log_weights of shape \(2,\) and rewards of shape \(3,\)"
    ):
        from_samples(np.zeros(3), 1.0, np.zeros(2))
    with pytest.raises(ValueError, match=r"shape \(0,\)"):
        from_samples(np.zeros(0), 1.0)
    with pytest.raises(ValueError, match="rewards hold NaN or infinity"):
        from_samples(np.array([0.0, np.nan]), 1.0)
