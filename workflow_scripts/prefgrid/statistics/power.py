"""Planning: how many seeds a paired t test needs to see a difference."""

import numpy as np
from scipy import stats

SIGNIFICANCE = 0.05
POWER = 0.8
# From fewer pairs the spread is hardly known: at two seeds the plan is below a third of the right one
# half the time.
FEWEST_SEEDS = 4
# A plan for this many seeds or more is no plan: the difference counts as too small to be seen.
MOST_SEEDS = 1000


def paired_power(effect: float, seeds: int, significance: float = SIGNIFICANCE) -> float:
    """Power of the two-sided paired t test with `seeds` ≥ 2 pairs.

    `effect` = |mean of the differences| / their sd. The statistic is noncentral t with seeds − 1
    degrees of freedom and noncentrality effect·√seeds.
    """
    freedom, noncentrality = seeds - 1, effect * np.sqrt(seeds)
    bound = stats.t.ppf(1 - significance / 2, freedom)
    above = stats.nct.sf(bound, freedom, noncentrality)
    below = stats.nct.cdf(-bound, freedom, noncentrality)
    # The tail against the effect's direction is below 1e-16 where scipy cannot compute it.
    return float(above + np.nan_to_num(below))


def seeds_needed(
    difference: float, sd: float, significance: float = SIGNIFICANCE, power: float = POWER
) -> float:
    """Fewest seeds with which the test sees a true mean `difference` with probability `power`.

    `sd`: standard deviation of the paired differences, in the same unit. At least 2, at most
    `MOST_SEEDS`, which means "that many or more" and is the answer for a difference of 0. NaN if
    either is NaN. It takes the given figures for the true ones, so nobody should give it what fewer
    than `FEWEST_SEEDS` seeds showed; from a few more it is a rough guide.
    """
    if np.isnan(difference) or np.isnan(sd):
        return np.nan
    if sd == 0:
        return 2.0 if difference else float(MOST_SEEDS)
    effect = abs(difference) / sd
    if paired_power(effect, MOST_SEEDS, significance) < power:
        return float(MOST_SEEDS)
    # The power rises with the number of seeds.
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        if paired_power(effect, middle, significance) < power:
            low = middle
        else:
            high = middle
    return float(high)
