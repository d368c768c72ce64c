"""The bootstrap over evaluation prompts, conditional on the trained policies.

Prompts are drawn with replacement, each with all of its βs, and the whole curve and its
interpolation at κ are computed anew; so the KL's own noise is part of the spread. The same
resamples serve every run, so that differences of replicates are paired by prompt. Intervals are
percentiles (Efron 1979) at a level expanded for few prompts (Hesterberg 2015); p values, which are
corrected for the number of comparisons, use the bootstrap's standard error. Both suit some ten
prompts or more; a handful of values, as of seeds, needs `intervals.t_interval`.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from prefgrid.statistics.frontier import rewards_at_kl
from prefgrid.statistics.intervals import LEVEL

DRAWS = 2000


class PercentileInterval(NamedTuple):
    """Ends of an interval, NaN where undefined; `missed`: resamples without a value."""

    low: float
    high: float
    missed: int


def resample_weights(prompts: int, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """Share of each prompt in each resample of `prompts` prompts, [draws, prompts]."""
    return rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=draws) / prompts


def replicates(
    kl_nats: np.ndarray, reward: np.ndarray, weights: np.ndarray, kappa_nats: float
) -> np.ndarray:
    """Reward at KL = `kappa_nats` of every resampled curve [draws]; NaN where one misses κ.

    `kl_nats`, `reward`: one run's scan [B, P], B points of P prompts, samples already averaged.
    `weights` [draws, P], see `resample_weights`.
    """
    return rewards_at_kl(weights @ kl_nats.T, weights @ reward.T, kappa_nats)


def percentile_interval(values: np.ndarray, level: float = LEVEL) -> PercentileInterval:
    """Percentile interval of bootstrap replicates [draws].

    Nobody knows on which side a resample without a value (NaN) would lie, so it counts as below
    all others for the lower end and as above them for the upper one. If they fill a tail, or if
    `level` is NaN, the ends are unknown: NaN.
    """
    missing = np.isnan(values)
    missed, tail = int(missing.sum()), (1 - level) / 2
    if np.isnan(level) or missed > tail * (values.size - 1):
        return PercentileInterval(np.nan, np.nan, missed)
    low = np.quantile(np.where(missing, -np.inf, values), tail)
    high = np.quantile(np.where(missing, np.inf, values), 1 - tail)
    return PercentileInterval(float(low), float(high), missed)


def mean_p(values: np.ndarray, prompts: int) -> float:
    """Two-sided p value of 0 for replicates [draws] of a mean over `prompts` prompts.

    Student's t with the bootstrap's standard error, made wider by √(P/(P − 1)) as in `expanded_level`.
    Unlike a share of the resamples it has no smallest value, so that it can be corrected for any
    number of comparisons. NaN below 2 prompts and where a resample has no value.
    """
    if prompts < 2 or np.isnan(values).any():
        return np.nan
    mean, standard_error = values.mean(), values.std() * np.sqrt(prompts / (prompts - 1))
    if standard_error == 0:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / standard_error, prompts - 1))


def expanded_level(prompts: int, level: float = LEVEL) -> float:
    """The level at which percentiles of resamples of `prompts` prompts have the nominal `level`.

    Resamples of P values spread √((P − 1)/P) too little, and normal tails are shorter than Student's.
    Both are undone by percentiles at Φ(∓ √(P/(P − 1))·t), t the two-sided quantile with P − 1
    degrees of freedom: Hesterberg, The American Statistician 69 (2015). NaN below 2.
    """
    if prompts < 2:
        return np.nan
    quantile = stats.t.ppf(0.5 + level / 2, prompts - 1) * np.sqrt(prompts / (prompts - 1))
    return float(1 - 2 * stats.norm.sf(quantile))
