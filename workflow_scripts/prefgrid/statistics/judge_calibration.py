"""The temperature at which a judge's logits are the log-odds of held-out comparisons.

Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017): one parameter, which changes no order.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

# Beyond these a judge is taken for perfect or for noise.
COLDEST, HOTTEST = 1e-3, 1e3


def log_loss(logits: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of −p·log σ(l) − (1 − p)·log σ(−l) over comparisons, in nats; both [N], any N >= 1."""
    return float(
        np.mean(
            probabilities * np.logaddexp(0, -logits) + (1 - probabilities) * np.logaddexp(0, logits)
        )
    )


def temperature(logits: np.ndarray, probabilities: np.ndarray) -> float:
    """The T in [COLDEST, HOTTEST] with the least `log_loss(logits / T, probabilities)`; both float64 [N].

    The loss is convex in a = 1/T, so its slope Σ (σ(a·l) − p)·l, which rises in a, crosses 0 once or lies on
    one side: logits that separate wins from losses get the coldest, such as are better turned around the
    hottest. All logits 0 say nothing, whatever T is: 1. ValueError for no comparisons, or for values that are
    not finite.
    """
    if not len(logits) or not np.isfinite(logits).all() or not np.isfinite(probabilities).all():
        raise ValueError(
            f"a temperature of {len(logits)} comparisons; allowed: at least one, of finite logits"
        )
    if not logits.any():
        return 1.0

    def slope(log_sharpness: float) -> float:
        return float(np.mean((expit(np.exp(log_sharpness) * logits) - probabilities) * logits))

    low, high = -np.log(HOTTEST), -np.log(COLDEST)
    if slope(low) >= 0:
        return HOTTEST
    if slope(high) <= 0:
        return COLDEST
    return float(np.exp(-brentq(slope, low, high, xtol=1e-12)))


def at_bound(temperature: float) -> bool:
    """Whether it is an end of the range and no fit: what it was fitted on cannot say how sure the judge may
    be, and one error elsewhere would cost up to 1/COLDEST of its logits."""
    return temperature in (COLDEST, HOTTEST)
