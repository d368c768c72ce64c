"""Reward at a fixed KL, read off a scanned reward–KL curve.

Interpolation is linear in √KL, in which the frontier is nearly straight (Gao et al.,
arXiv 2210.10760), and only between points that were scanned. A KL outside the scanned range has
no value: NaN, never the nearest end.
"""

import numpy as np


def reward_at_kl(kl_nats: np.ndarray, reward: np.ndarray, kappa_nats: float) -> float:
    """Mean reward at KL = `kappa_nats` of the curve through (kl_nats [B], reward [B]).

    Points may come in any order. To let the reference serve as an end point, pass it as a point
    with KL 0. NaN if `kappa_nats` lies outside [min KL, max KL].
    """
    bracket = _bracket(np.asarray(kl_nats, dtype=np.float64), kappa_nats)
    if bracket is None:
        return np.nan
    left, right, weight = bracket
    reward = np.asarray(reward, dtype=np.float64)
    return float((1 - weight) * reward[left] + weight * reward[right])


def prompt_rewards_at_kl(kl_nats: np.ndarray, reward: np.ndarray, kappa_nats: float) -> np.ndarray:
    """Per-prompt values [P] whose mean is the curve's reward at KL = `kappa_nats`.

    `kl_nats`, `reward` are [B, P]: B points of a scan, P prompts, samples already averaged. The
    curve is that of the prompt means. Value of prompt p = reward at κ plus the first-order effect
    of p's own deviation in the two bracketing points' rewards *and* KLs, so that the spread of
    the values over prompts gives the standard error of the reward at κ, KL noise included (the
    delta method). Differences of two policies' values are paired per prompt. All NaN outside
    the scanned range.
    """
    kl_nats = np.asarray(kl_nats, dtype=np.float64)
    reward = np.asarray(reward, dtype=np.float64)
    if kl_nats.ndim != 2 or kl_nats.shape != reward.shape:
        raise ValueError(
            f"KL and reward must both be [points, prompts], got {kl_nats.shape}, {reward.shape}"
        )
    kl_mean = kl_nats.mean(axis=1)
    bracket = _bracket(kl_mean, kappa_nats)
    if bracket is None:
        return np.full(kl_nats.shape[1], np.nan)
    left, right, weight = bracket
    values = (1 - weight) * reward[left] + weight * reward[right]
    gap = np.sqrt(kl_mean[right]) - np.sqrt(kl_mean[left])
    if gap == 0:
        return values
    # R = Ra + (Rb − Ra)(√κ − xa)/(xb − xa) with x = √KL: dR/dxa = −slope·(1 − w),
    # dR/dxb = −slope·w, dx/dKL = 1/(2x). The reference (KL exactly 0) carries no KL noise.
    slope = (reward[right].mean() - reward[left].mean()) / gap
    for point, share in ((left, 1 - weight), (right, weight)):
        if kl_mean[point] > 0:
            deviation = (kl_nats[point] - kl_mean[point]) / (2 * np.sqrt(kl_mean[point]))
            values = values - slope * share * deviation
    return values


def _bracket(kl_nats: np.ndarray, kappa_nats: float) -> tuple[int, int, float] | None:
    """(left, right, weight of right) of the two points around κ, or None outside the range."""
    if kappa_nats < 0:
        raise ValueError(f"KL {kappa_nats}: must be >= 0")
    if not np.isfinite(kl_nats).all():
        raise ValueError("the scanned curve has a KL that is not finite")
    if kl_nats.size == 0 or not kl_nats.min() <= kappa_nats <= kl_nats.max():
        return None
    # A KL estimate may fall below 0 by rounding; √ needs it at 0.
    root = np.sqrt(np.maximum(kl_nats, 0.0))
    order = np.argsort(root, kind="stable")
    target = np.sqrt(kappa_nats)
    position = int(np.clip(np.searchsorted(root[order], target), 1, max(1, root.size - 1)))
    if root.size == 1:
        return 0, 0, 0.0
    left, right = int(order[position - 1]), int(order[position])
    gap = root[right] - root[left]
    return left, right, 0.0 if gap == 0 else float((target - root[left]) / gap)
