"""Means of one number a prompt, where prompts are the independent units."""

import numpy as np

from prefgrid.statistics.intervals import Interval, t_interval

# Of intervals over prompts.
FEWEST_PROMPTS = 20


def over_prompts(values: np.ndarray, low: float, high: float) -> Interval:
    """Mean of one number in [low, high] a prompt, with its t interval, cut to that range. The interval is NaN
    below `FEWEST_PROMPTS`, where t takes such numbers for normal ones without ground, and of equal numbers,
    which tell nothing of their spread."""
    found = t_interval(values)
    if found.count < FEWEST_PROMPTS or not found.high > found.low:
        return found._replace(low=np.nan, high=np.nan)
    return found._replace(low=max(low, found.low), high=min(high, found.high))
