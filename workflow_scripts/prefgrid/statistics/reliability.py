"""Whether a judge's verdicts come true as often as it says.

The order of a pair is arbitrary, so a verdict is looked at from its winner's side: predicted is
P̂ = max(σ(l), σ(−l)) ∈ [½, 1], observed the probability (for a plain label 0 or 1) that this response
is preferred. Of a tie both are ½.
"""

import numpy as np
import pandas as pd
from scipy import special

from prefgrid.statistics.calibration import calibration_error

BINS = 10


def verdicts(
    logit: np.ndarray, probability: np.ndarray, temperature: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """(predicted, observed) [N] of the winner; probability: that the first response is preferred."""
    logit = np.asarray(logit, np.float64)
    observed = np.where(logit < 0, 1 - probability, probability)
    return special.expit(np.abs(logit) / temperature), np.where(logit == 0, 0.5, observed)


def bins(predicted: np.ndarray, observed: np.ndarray) -> pd.DataFrame:
    """A row a bin of equal width in [½, 1] that is not empty: `low`, `high`, `comparisons`, and the means
    `predicted` and `observed`."""
    # As `calibration_error` has them over [0, 1].
    place = np.minimum((predicted * 2 * BINS).astype(int), 2 * BINS - 1)
    found = pd.DataFrame({"place": place, "predicted": predicted, "observed": observed})
    means = found.groupby("place").agg(
        comparisons=("observed", "size"),
        predicted=("predicted", "mean"),
        observed=("observed", "mean"),
    )
    ends = {"low": means.index / (2 * BINS), "high": (means.index + 1) / (2 * BINS)}
    return means.assign(**ends).reset_index(drop=True)[["low", "high", *means.columns]]


def expected_error(predicted: np.ndarray, observed: np.ndarray) -> float:
    """Expected calibration error: |mean predicted − mean observed| of the bins, by their share."""
    return calibration_error(predicted, observed, bins=2 * BINS)
