"""Area under scanned reward–KL curves, on KLs that all compared runs were scanned over.

The area is taken over √KL, in which a scan is interpolated (see `frontier`), so trapezoids are
exact; divided by its width it is a mean height, in the unit of the reward.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def mean_height(
    kl_nats: np.ndarray, reward: np.ndarray, low_nats: float, high_nats: float
) -> float:
    """Mean reward of the curve (kl_nats [B], reward [B]) from KL `low_nats` to `high_nats`.

    Every stretch of √KL counts alike. NaN if the curve was not scanned all the way.
    """
    if not 0 <= low_nats < high_nats:
        raise ValueError(f"KL from {low_nats} to {high_nats}: allowed is 0 <= low < high")
    order = np.argsort(kl_nats, kind="stable")
    # A KL estimate may fall below 0 by rounding; √ needs it at 0.
    kl_nats = np.maximum(np.asarray(kl_nats, dtype=np.float64)[order], 0.0)
    if not (kl_nats.size and kl_nats[0] <= low_nats and high_nats <= kl_nats[-1]):
        return np.nan
    root, first, last = np.sqrt(kl_nats), np.sqrt(low_nats), np.sqrt(high_nats)
    knots = np.concatenate([[first], root[(root > first) & (root < last)], [last]])
    heights = np.interp(knots, root, np.asarray(reward, dtype=np.float64)[order])
    return float(np.trapezoid(heights, knots) / (last - first))


def mean_heights(
    curves: pd.DataFrame, value: str, groups: Sequence[str], kappa_nats: float
) -> pd.DataFrame:
    """One row a run: `method, seed`, the groups, `mean_height`, `area_kl_low`, `area_kl_high`.

    `curves`: `method, seed`, the groups, `kl_div` and the column `value` (reward or gain), one row a
    point; the reference may be one, with KL 0. All runs, of whatever group, are measured over one
    interval, the widest that was scanned in every run that reaches `kappa_nats`. So it contains κ,
    and a run that does not reach κ is missing (NaN) and shortens nobody's interval.
    """
    keys = ["method", "seed", *groups]
    scanned = curves.groupby(keys)["kl_div"].agg(["min", "max"]).clip(lower=0.0)
    reach = scanned[(scanned["min"] <= kappa_nats) & (kappa_nats <= scanned["max"])]
    low, high = reach["min"].max(), reach["max"].min()
    rows = []
    for run, points in curves.groupby(keys):
        # Without any run that reaches κ, or with κ at the end of a scan, there is no interval.
        height = (
            mean_height(points["kl_div"].to_numpy(), points[value].to_numpy(), low, high)
            if low < high
            else np.nan
        )
        rows.append((*run, height, low, high))
    return pd.DataFrame(rows, columns=[*keys, "mean_height", "area_kl_low", "area_kl_high"])
