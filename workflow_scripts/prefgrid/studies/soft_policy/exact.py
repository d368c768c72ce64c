"""What a policy is worth, exactly: its probability of every answer beside that of the optimal policy.

All texts that are no answer have one reward, `r_invalid`, so they are one bucket, the last. What the
optimal policy does among them is known: it keeps the proportions of the reference.
"""

import numpy as np
from scipy.special import rel_entr

from prefgrid.statistics import soft_value
from prefgrid.studies.soft_policy.task import NumberTask

# 1 − Σ of float32 probabilities is not known more closely.
RESOLUTION = 1e-7


def optimum(task: NumberTask, reference_logps: np.ndarray, beta: float) -> np.ndarray:
    """log π* [A + 1] of the task's answers and of all other texts together, nats.

    `reference_logps` [A]: log π_ref of `task.answers()`. ValueError as in `statistics.soft_value`.
    """
    rewards = np.array([task.reward(answer) for answer in task.answers()])
    masses = soft_value.enumerated(reference_logps, rewards, task.r_invalid)
    return masses.log_masses + masses.rewards / beta - masses.log_partition(beta)


def metrics(
    task: NumberTask, reference_logps: np.ndarray, policy_logps: np.ndarray, beta: float
) -> dict[str, float]:
    """Of the policy π with `policy_logps` [A], as `reference_logps` of `optimum`; by name:

    * tv: total variation ½·Σ|π − π*|; valid_mass: probability of an answer; p_target: of the target's
    * reward: E_π[r], in the unit of the rewards
    * kl_to_reference_nats: KL(π‖π_ref); kl_from_optimum_nats: KL(π*‖π)
    * mean_number: E_π[n | an answer]; NaN for a policy that never writes one

    valid_mass, p_target, reward and mean_number are exact. The others see all other texts as one, and
    what they see is a lower bound. For tv and kl_from_optimum_nats it is exact if the policy keeps the
    reference's proportions among other texts, and misses next to nothing where valid masses are near 1;
    kl_to_reference_nats misses the share of other texts times the divergence among them.
    """
    star = np.exp(optimum(task, reference_logps, beta))
    reference, policy = _with_rest(reference_logps), _with_rest(policy_logps)
    valid = policy[:-1]
    rewards = [*map(task.reward, task.answers()), task.r_invalid]
    valid_mass = valid.sum()
    numbers = np.array(task.numbers())
    return {
        "tv": float(0.5 * np.abs(policy - star).sum()),
        "valid_mass": float(valid_mass),
        "reward": float(policy @ rewards),
        "kl_to_reference_nats": _divergence(policy, reference),
        "kl_from_optimum_nats": _divergence(star, policy),
        "p_target": float(valid[task.target - task.lo]),
        "mean_number": float(valid @ numbers / valid_mass) if valid_mass > 0 else np.nan,
    }


def _with_rest(logps: np.ndarray) -> np.ndarray:
    """Probabilities [A + 1]."""
    return np.exp(np.append(np.asarray(logps, dtype=np.float64), soft_value.log_rest(logps)))


def _divergence(one: np.ndarray, other: np.ndarray) -> float:
    """KL(one‖other), nats. That the other's rest is 0 is not known of rounded probabilities."""
    other = np.append(other[:-1], max(other[-1], RESOLUTION))
    return float(rel_entr(one, other).sum())
