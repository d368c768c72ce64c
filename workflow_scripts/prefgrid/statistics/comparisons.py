"""How well a judge's logits of comparisons (see `judges.compared`) say which response is preferred."""

import numpy as np
from scipy import special, stats

TIE = 0.5


def correct(logit: np.ndarray, probability: np.ndarray, tie: float = TIE) -> np.ndarray:
    """1 where the logit has the side of the likelier outcome, 0 where the other, `tie` where it is 0.

    probability: that the first response is preferred. NaN where it is ½: neither is right.
    """
    agreement = np.sign(logit) * np.sign(probability - 0.5)
    found = np.where(agreement == 0, tie, (1 + agreement) / 2)
    return np.where(probability == 0.5, np.nan, found)


def probability_error(
    logit: np.ndarray, probability: np.ndarray, temperature: float = 1.0
) -> float:
    """Mean |P − P̂|, P̂ = σ(logit/temperature); NaN where every P is 0 or 1: those are labels."""
    if np.isin(probability, (0.0, 1.0)).all():
        return np.nan
    predicted = special.expit(np.asarray(logit, np.float64) / temperature)
    return float(np.abs(predicted - probability).mean())


def correlations(logit: np.ndarray, difference: np.ndarray) -> tuple[float, float]:
    """(Spearman's, Pearson's) correlation with `difference`, of a pair's lengths for instance.

    The order of a pair is arbitrary, so every pair counts in both: the sign of both turns with it, and
    either mean is 0. NaN where one of them does not vary.
    """
    both = (np.concatenate([values, -values]) for values in (logit, difference))
    left, right = (np.asarray(values, np.float64) for values in both)
    if not np.ptp(left) or not np.ptp(right):
        return np.nan, np.nan
    return float(stats.spearmanr(left, right)[0]), float(stats.pearsonr(left, right)[0])
