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
    return float(rewards_at_kl(np.asarray(kl_nats)[None], np.asarray(reward)[None], kappa_nats)[0])


def rewards_at_kl(kl_nats: np.ndarray, reward: np.ndarray, kappa_nats: float) -> np.ndarray:
    """`reward_at_kl` of many curves [C] at once; `kl_nats`, `reward` are [C, B]."""
    kl_nats = np.asarray(kl_nats, dtype=np.float64)
    reward = np.asarray(reward, dtype=np.float64)
    if kl_nats.ndim != 2 or kl_nats.shape != reward.shape:
        raise ValueError(
            f"KL and reward must have the same points, got {kl_nats.shape}, {reward.shape}"
        )
    if kappa_nats < 0:
        raise ValueError(f"KL {kappa_nats}: must be >= 0")
    if not np.isfinite(kl_nats).all():
        raise ValueError("the scanned curve has a KL that is not finite")
    curves, points = kl_nats.shape
    if points == 0:
        return np.full(curves, np.nan)
    inside = (kl_nats.min(axis=1) <= kappa_nats) & (kappa_nats <= kl_nats.max(axis=1))
    order = np.argsort(kl_nats, axis=1, kind="stable")
    # A KL estimate may fall below 0 by rounding; √ needs it at 0.
    root = np.sqrt(np.maximum(np.take_along_axis(kl_nats, order, axis=1), 0.0))
    reward = np.take_along_axis(reward, order, axis=1)
    target = np.sqrt(kappa_nats)
    right = np.clip((root < target).sum(axis=1), min(1, points - 1), points - 1)
    left, row = np.maximum(right - 1, 0), np.arange(curves)
    gap = root[row, right] - root[row, left]
    weight = (target - root[row, left]) / np.where(gap == 0, np.inf, gap)
    values = (1 - weight) * reward[row, left] + weight * reward[row, right]
    return np.where(inside, values, np.nan)
