"""Confidence intervals for few seeds and for single proportions, and Holm's correction.

With few seeds the multiplier must come from Student's t: at four seeds a nominal 90 % interval
with the normal multiplier 1.64 covers about 80 %. Source: Miller, arXiv 2411.00640 (paired
differences); Wilson 1927 (score interval of a proportion); Holm 1979 (step-down correction).
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95


class Interval(NamedTuple):
    """A mean with its interval; `count` independent values. NaN where it is not defined."""

    mean: float
    low: float
    high: float
    count: int

    def excludes(self, value: float) -> bool:
        """True if `value` lies outside the interval; False if the interval is undefined."""
        return bool(self.low > value or self.high < value)


def t_interval(values: np.ndarray, level: float = LEVEL) -> Interval:
    """Mean of independent `values` [count] with its two-sided Student t interval.

    NaN entries are left out (and not counted). One value has a mean and an undefined interval;
    none has neither.
    """
    finite = _finite(values)
    if finite.size == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(finite.mean())
    if finite.size == 1:
        return Interval(mean, np.nan, np.nan, 1)
    standard_error = finite.std(ddof=1) / np.sqrt(finite.size)
    half_width = float(stats.t.ppf(0.5 + level / 2, finite.size - 1) * standard_error)
    return Interval(mean, mean - half_width, mean + half_width, int(finite.size))


def t_test_p(values: np.ndarray) -> float:
    """Two-sided p value of mean 0 for independent `values` [count]; NaN below two values."""
    finite = _finite(values)
    if finite.size < 2:
        return np.nan
    standard_error = finite.std(ddof=1) / np.sqrt(finite.size)
    if standard_error == 0:
        return float(finite.mean() == 0)
    return float(2 * stats.t.sf(abs(finite.mean()) / standard_error, finite.size - 1))


def wilson_interval(successes: float, trials: int, level: float = LEVEL) -> Interval:
    """Share of `successes` (ties may count half) in independent `trials`, with Wilson's interval.

    Its ends are the shares that a score test at 1 − `level` would not reject, so it stays inside
    [0, 1] and has a width at 0 and 1. No trials: NaN.
    """
    if trials == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials: allowed are 0 to {trials}")
    share, squared = successes / trials, float(stats.norm.ppf(0.5 + level / 2)) ** 2
    centre = (share + squared / (2 * trials)) / (1 + squared / trials)
    spread = share * (1 - share) / trials + squared / (4 * trials**2)
    half_width = np.sqrt(squared * spread) / (1 + squared / trials)
    low, high = max(0.0, centre - half_width), min(1.0, centre + half_width)
    return Interval(share, float(low), float(high), trials)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p values, same shape; NaN entries stay NaN and do not count."""
    p_values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full_like(p_values, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"values must be one-dimensional, got shape {values.shape}")
    if np.isinf(values).any():
        raise ValueError("values contain an infinity; only finite numbers and NaN are allowed")
    return values[~np.isnan(values)]
