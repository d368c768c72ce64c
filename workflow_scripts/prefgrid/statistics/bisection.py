"""Reward at a fixed KL where both can be computed exactly at any β: bisection, no interpolation.

For decoded policies π_β ∝ π_ref·exp(a/β) the KL to the reference falls strictly in β unless a is
constant, so the β at which it equals κ is unique.
"""

from collections.abc import Callable

import numpy as np

Curve = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def reward_at_kl(
    curve: Curve,
    runs: int,
    kappa_nats: float,
    beta_low: float,
    beta_high: float,
    tolerance: float = 1e-10,
) -> tuple[np.ndarray, np.ndarray]:
    """Reward and β at KL = `kappa_nats` of many runs at once: (reward [R], beta [R]), R = `runs`.

    `curve` maps one β a run [R] to (kl_nats [R], reward [R]); KL must fall in β. Bisection in
    log β narrows [`beta_low`, `beta_high`] to a relative width of `tolerance`. A run whose KL does
    not cross κ inside it, or is not finite, has no value: NaN in both.
    """
    if not 0 < beta_low < beta_high:
        raise ValueError(
            f"β bracket [{beta_low:g}, {beta_high:g}]: allowed are two positive numbers, the lower "
            "one first"
        )
    low = np.full(runs, np.log(beta_low))
    high = np.full(runs, np.log(beta_high))
    kl_at_low, _ = curve(np.exp(low))
    kl_at_high, _ = curve(np.exp(high))
    reached = (kl_at_low >= kappa_nats) & (kl_at_high <= kappa_nats)
    for _ in range(max(0, int(np.ceil(np.log2((high[0] - low[0]) / tolerance))))):
        middle = 0.5 * (low + high)
        above = curve(np.exp(middle))[0] > kappa_nats
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    beta = np.exp(0.5 * (low + high))
    reward = curve(beta)[1]
    return np.where(reached, reward, np.nan), np.where(reached, beta, np.nan)
