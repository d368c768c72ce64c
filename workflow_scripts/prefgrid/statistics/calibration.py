"""How well a policy's index t orders held-out pairs, and how true its learned link is.

The index's scale is not identified, so order is judged by rank correlation; the learned link ψ̂ is
judged against the true preference probability Ψ(u), which the study knows.
"""

import numpy as np
import pandas as pd
from scipy import stats

from prefgrid.statistics.intervals import wilson_interval

BINS = 10


def summarise(indices: pd.DataFrame) -> dict[str, float]:
    """Summary of one policy's held-out pairs.

    `indices` columns: `index_nats` (t), `utility_diff` (u), `link_probability` (ψ̂(t), NaN for
    a method without a link), `true_probability` (Ψ(u)). Returns `pearson`, `spearman` (t against u),
    `pair_accuracy` (same sign of t and u; t = 0 counts half, u = 0 is left out), `pairs_decided`
    (pairs with u ≠ 0), `calibration_error` (of ψ̂ against Ψ), `index_abs_mean_nats`,
    `index_sd_nats`, `pairs`. Undefined values are NaN.
    """
    index = indices["index_nats"].to_numpy(np.float64)
    utility = indices["utility_diff"].to_numpy(np.float64)
    varies = index.size > 1 and np.ptp(index) > 0 and np.ptp(utility) > 0
    return {
        "pearson": float(stats.pearsonr(index, utility)[0]) if varies else np.nan,
        "spearman": float(stats.spearmanr(index, utility)[0]) if varies else np.nan,
        "pair_accuracy": pair_accuracy(index, utility),
        "pairs_decided": int((utility != 0).sum()),
        "calibration_error": calibration_error(
            indices["link_probability"].to_numpy(np.float64),
            indices["true_probability"].to_numpy(np.float64),
        ),
        "index_abs_mean_nats": float(np.abs(index).mean()),
        "index_sd_nats": float(index.std()),
        "pairs": int(index.size),
    }


def pair_accuracy(index: np.ndarray, utility: np.ndarray) -> float:
    """Share of pairs [N] whose index and utility difference have the same sign."""
    decided = utility != 0
    if not decided.any():
        return np.nan
    agreement = np.sign(index[decided]) * np.sign(utility[decided])
    return float((0.5 * (1 + agreement)).mean())


def calibration_error(predicted: np.ndarray, true: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error Σ_b (N_b/N)·|mean predicted − mean true| over equal-width bins.

    `predicted`, `true` are probabilities [N]; `true` may also be outcomes 0/1. NaN where a
    prediction is: the method has no link.
    """
    if np.isnan(predicted).any():
        return np.nan
    bin_of = np.minimum((predicted * bins).astype(int), bins - 1)
    gap = np.bincount(bin_of, weights=predicted - true, minlength=bins)
    return float(np.abs(gap).sum() / predicted.size)


def binned(index: np.ndarray, probability: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Mean true probability over equally filled bins of the index, for a plot.

    `index`, `probability` [N]. Rows: `index` (mean in the bin), `probability` (mean),
    `probability_se`, `pairs`. Fewer bins when there are fewer than 5 pairs a bin.
    """
    count = max(1, min(bins, index.size // 5))
    rows = []
    for members in np.array_split(np.argsort(index, kind="stable"), count):
        inside = probability[members]
        error = inside.std(ddof=1) / np.sqrt(inside.size) if inside.size > 1 else np.nan
        rows.append((index[members].mean(), inside.mean(), error, inside.size))
    return pd.DataFrame(rows, columns=["index", "probability", "probability_se", "pairs"])


def table(indices: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """One row a (method, shift, n), by n, shift and the order of `methods`: means over seeds.

    `indices`: the columns of `summarise` and `method, seed, shift, n`. `pair_accuracy_low/high`:
    Wilson interval of the mean accuracy over the pairs of one seed. All seeds have the same held-out
    pairs, so they do not add up: the interval speaks about pairs, not about seeds.
    """
    rows = [
        {"method": method, "seed": seed, "shift": shift, "n": n} | summarise(run)
        for (method, seed, shift, n), run in indices.groupby(["method", "seed", "shift", "n"])
    ]
    runs = pd.DataFrame(rows)
    cells = runs.groupby(["method", "shift", "n"], as_index=False)
    table = cells.mean().drop(columns="seed").assign(seeds=cells["seed"].count()["seed"])
    wilson = [
        wilson_interval(share * pairs, round(pairs))
        for share, pairs in zip(table["pair_accuracy"], table["pairs_decided"], strict=True)
    ]
    after = table.columns.get_loc("pair_accuracy") + 1
    table.insert(after, "pair_accuracy_low", [interval.low for interval in wilson])
    table.insert(after + 1, "pair_accuracy_high", [interval.high for interval in wilson])
    table["method"] = pd.Categorical(table["method"], methods)
    table = table.sort_values(["n", "shift", "method"], ignore_index=True)
    return table.astype({"method": str})
