"""The soft value of a prompt, Q0 = β·log E_ref[exp(r/β)], of whose error a training on it suffers.

The policy π* that maximises E[r] − β·KL(π‖π_ref) is π_ref(a)·exp((r(a) − Q0)/β), and that sums to 1.
So what an estimate Q̂0 is worth shows in its feasibility, the sum with Q̂0 for Q0:

    Σ_a π_ref(a)·exp((r(a) − Q̂0)/β) = exp((Q0 − Q̂0)/β)

Above 1, what is aimed at sums to more than there is; below, mass is left over. All log-ratios aimed
at are off by its log, in nats.

Everything is in float64 and by logsumexp; rewards, β and values are in one unit, log-probabilities
in nats.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

# Σ of float32 probabilities may exceed 1 by so much.
ROUNDING = 1e-5
# Feasibility sums between which an estimate is called sound; a right one has 1.
SOUND = 0.5, 2.0
# Of the published code, from here to the end.
PUBLISHED_SUCCESS = -0.5
PUBLISHED_LEAST_SUCCESSES = 0.01
PUBLISHED_FALLBACK = -0.5
PUBLISHED_LIMITS = (-20.0, 0.0)
PUBLISHED_FLOOR = 1e-8
# What its README shows of a run's three epochs: the fallback, the floor, an estimate of the policy's samples.
PUBLISHED_LOG = (PUBLISHED_FALLBACK, -0.18359375, -0.0064)


@dataclass(frozen=True)
class SoftValue:
    """An estimate of Q0.

    value and standard_error are in the unit of the rewards. effective_samples: Kish's, how many
    samples of equal weight would be worth as much; infinite where nothing was sampled. feasibility:
    see above; NaN where it is not known.
    """

    value: float
    standard_error: float
    effective_samples: float
    feasibility: float


@dataclass(frozen=True)
class Masses:
    """The reference as masses on rewards: log_masses, rewards [M]; Σ exp(log_masses) is, or estimates, 1."""

    log_masses: np.ndarray
    rewards: np.ndarray

    def log_partition(self, beta: float) -> float:
        """log Σ mass·exp(r/β)."""
        if not beta > 0:
            raise ValueError(f"beta = {beta}; allowed: a number > 0")
        return float(logsumexp(self.log_masses + self.rewards / beta))


def enumerated(reference_logps: np.ndarray, rewards: np.ndarray, rest_reward: float) -> Masses:
    """Of answers known one by one, their log π_ref and rewards [A], and all others, of `rest_reward`, as one.

    ValueError if their probabilities sum to more than 1 by more than rounding.
    """
    reference_logps, rewards = _alike(reference_logps, rewards, "reference_logps")
    rest = log_rest(reference_logps)
    return Masses(np.append(reference_logps, rest), np.append(rewards, rest_reward))


def log_rest(logps: np.ndarray) -> float:
    """log(1 − Σ exp(logps)), nats, −inf if nothing is left; ValueError as in `enumerated`."""
    left = 1 - float(np.exp(np.asarray(logps, dtype=np.float64)).sum())
    if not left >= -ROUNDING:
        raise ValueError(
            f"probabilities of the answers sum to {1 - left:.7g}; allowed: up to 1, of distinct ones"
        )
    return float(np.log(left)) if left > 0 else -np.inf


def sampled(rewards: np.ndarray, log_weights: np.ndarray | None = None) -> Masses:
    """Of N samples, rewards [N]: of the reference, or with log_weights = log π_ref − log μ, [N], of a μ
    that gives nothing probability 0 that the reference does not."""
    rewards = np.asarray(rewards, dtype=np.float64)
    weights = np.zeros_like(rewards) if log_weights is None else log_weights
    weights, rewards = _alike(weights, rewards, "log_weights")
    return Masses(weights - np.log(rewards.size), rewards)


def feasibility(value: float, masses: Masses, beta: float) -> float:
    """Σ π_ref·exp((r − Q̂0)/β) of the estimate `value`.

    Exact by `enumerated` masses. By `sampled` ones it is an estimate with their error; those of the
    samples behind the value itself give 1 whatever the value is worth, so take others.
    """
    with np.errstate(over="ignore"):
        return float(np.exp(masses.log_partition(beta) - value / beta))


def is_sound(feasibility: float) -> bool:
    """Whether a sum of targets is so near 1 that a training on them can reach the optimum."""
    return SOUND[0] <= feasibility <= SOUND[1]


def exact(
    reference_logps: np.ndarray, rewards: np.ndarray, rest_reward: float, beta: float
) -> SoftValue:
    """Q0 by `enumerated` answers."""
    return of_masses(enumerated(reference_logps, rewards, rest_reward), beta)


def of_masses(masses: Masses, beta: float) -> SoftValue:
    """Q0 of a reference that is known."""
    value = beta * masses.log_partition(beta)
    return SoftValue(value, 0.0, np.inf, feasibility(value, masses, beta))


def from_samples(
    rewards: np.ndarray,
    beta: float,
    log_weights: np.ndarray | None = None,
    judge: Masses | None = None,
) -> SoftValue:
    """β·[logsumexp(r/β + log_weights) − log N] of N independent samples, as in `sampled`.

    Biased low, as a log of a mean is: by about β/(2·effective samples), and by far more where what
    carries E[exp(r/β)] is rarely drawn, as under a peaked reference with a small β. There the standard
    error, by the delta method from the spread of what was drawn, is too small as well; few effective
    samples tell. NaN of one sample. `judge`: the masses of the feasibility.
    """
    masses = sampled(rewards, log_weights)
    value = beta * masses.log_partition(beta)
    logs = masses.log_masses + masses.rewards / beta
    terms = np.exp(logs - logs.max())
    count = terms.size
    spread = terms.std(ddof=1) if count > 1 else np.nan
    return SoftValue(
        value,
        standard_error=float(beta * spread / (terms.mean() * np.sqrt(count))),
        effective_samples=float(terms.sum() ** 2 / np.square(terms).sum()),
        feasibility=_judged(value, judge, beta),
    )


def from_residuals(residuals: np.ndarray, beta: float, judge: Masses | None = None) -> SoftValue:
    """Mean of r − β·log(π/π_ref) [N] over responses: what `softpo` learns or takes of a group.

    It is Q0, without any spread, once π = π*; before, on responses of π, its expectation is
    E[r] − β·KL(π‖π_ref), which is below.
    """
    residuals = np.asarray(residuals, dtype=np.float64)
    value, count = float(residuals.mean()), residuals.size
    spread = residuals.std(ddof=1) if count > 1 else np.nan
    error = float(spread / np.sqrt(count))
    return SoftValue(value, error, float(count), _judged(value, judge, beta))


def published(rewards: np.ndarray, beta: float, judge: Masses | None = None) -> SoftValue:
    """The published estimate with its defects. It knows no error: that and the sample size are NaN.

    With fewer than 1 % of rewards above −.5 it is the constant −.5. Else it is β·log of the mean of
    exp(r/β), every step rounded to bfloat16, with r/β cut to [−20, 0] and a mean of at least 1e-8: if
    no reward is above −18.4·β it is −.18359375 at β = .01, whatever they are. And from its second
    epoch on the published run gave it samples of the policy, without weights: no estimate of Q0.
    """
    rewards = np.asarray(rewards, dtype=np.float64)
    if _published_fails(rewards):
        value = PUBLISHED_FALLBACK
    else:
        floored = _published_mean(rewards, beta).clip(min=bfloat16(PUBLISHED_FLOOR))
        value = float(bfloat16(beta * bfloat16(np.log(floored))))
    return SoftValue(value, np.nan, np.nan, _judged(value, judge, beta))


def published_constant(rewards: np.ndarray, beta: float) -> str:
    """In words which constant `published` is for these rewards; "" where it is computed from them."""
    rewards = np.asarray(rewards, dtype=np.float64)
    if _published_fails(rewards):
        least = f"{PUBLISHED_LEAST_SUCCESSES:.0%}"
        return f"the fallback {PUBLISHED_FALLBACK}, as fewer than {least} are a success"
    if _published_mean(rewards, beta) <= bfloat16(PUBLISHED_FLOOR):
        return f"the floor of a clamp, as the mean of exp(r/β) is not above {PUBLISHED_FLOOR}"
    return ""


def _published_fails(rewards: np.ndarray) -> bool:
    return bool(np.mean(rewards > PUBLISHED_SUCCESS) < PUBLISHED_LEAST_SUCCESSES)


def _published_mean(rewards: np.ndarray, beta: float) -> np.ndarray:
    """Of exp(r/β), as bfloat16."""
    scaled = bfloat16(bfloat16(rewards) / beta).clip(*PUBLISHED_LIMITS)
    return bfloat16(bfloat16(np.exp(scaled)).mean())


def bfloat16(values: np.ndarray | float) -> np.ndarray:
    """float64 `values` as bfloat16 holds them: float32's nearest with 16 bits fewer, ties to even."""
    bits = np.asarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
    return rounded.astype(np.uint32).view(np.float32).astype(np.float64)


def _judged(value: float, judge: Masses | None, beta: float) -> float:
    return np.nan if judge is None else feasibility(value, judge, beta)


def _alike(logs: np.ndarray, rewards: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    logs, rewards = (np.asarray(values, dtype=np.float64) for values in (logs, rewards))
    if logs.shape != rewards.shape or logs.ndim != 1 or not logs.size:
        raise ValueError(
            f"{name} of shape {logs.shape} and rewards of shape {rewards.shape}; allowed: one of each "
            "for every answer or sample"
        )
    for values, called in ((logs, name), (rewards, "rewards")):
        if np.isnan(values).any() or np.isposinf(values).any():
            raise ValueError(f"{called} hold NaN or infinity; allowed: finite numbers")
    return logs, rewards
