"""Win rates of methods at one KL to the base, or several, and their differences to the baseline's.

Iterates of different methods lie at different KLs, so an iteration of one cannot be compared with the same of
another. A run's win rate at κ is read off the line through the base (KL 0, ½) and its iterates, as rewards of
a β scan are (`statistics.frontier`); a run that does not reach κ has none. Over prompts by the bootstrap, which
draws each with all of its iterates, so the noise of the KL has its part in the interval.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from prefgrid import seeding
from prefgrid.statistics.bootstrap import (
    DRAWS,
    expanded_level,
    mean_p,
    percentile_interval,
    replicates,
    resample_weights,
)
from prefgrid.statistics.contrasts import over_seeds, paired
from prefgrid.statistics.frontier import reward_at_kl
from prefgrid.statistics.intervals import holm

RUN = ["method", "judge", "seed"]
GROUPS = ["judge", "kappa_nats"]
COUNTS = ("seeds", "seeds_missing")
# Columns of `contrasts.over_seeds` and `contrasts.paired` → their names here.
MEANS = {"mean": "win", "low": "win_seeds_low", "high": "win_seeds_high"}
DIFFERENCES = {
    "seeds": "seeds_compared",
    "difference": "difference",
    "low": "difference_seeds_low",
    "high": "difference_seeds_high",
    "p": "p_seeds",
}


def table(
    prompts: pd.DataFrame,
    runs: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    baseline: str,
    kappas_nats: Sequence[float],
    draws: int = DRAWS,
) -> pd.DataFrame:
    """One row a (κ, method, judge): `seeds, seeds_missing, win, win_seeds_low/high`,
    `win_prompts_low/high_given_seeds`, `kl_reached_nats` (the least of its runs' largest KLs), and minus the baseline's of
    the same κ, judge, prompts and seeds, where there is one: `baseline, difference, difference_seeds_low/high,
    p_seeds, p_seeds_holm, difference_prompts_low/high_given_seeds, p_prompts_given_seeds,
    p_prompts_holm_given_seeds, seeds_compared`. Each of Holm's corrections covers the table, all κ of it.

    prompts: columns RUN, `iteration, average, prompt_id, kl_base_nats, win_base`. runs: axes of every run.
    """
    cells = list(dict.fromkeys((run["method"], run["judge"]) for run in runs))
    curves = {keys: _curve(own) for keys, own in prompts[~prompts["average"]].groupby(RUN)}
    count = next(iter(curves.values()))[0].shape[1]
    weights = resample_weights(count, seeding.stream(0, "prompt bootstrap"), draws)
    found = pd.concat(
        [_at(kappa, curves, cells, baseline, weights) for kappa in kappas_nats], ignore_index=True
    )
    values = pd.DataFrame(
        [
            {**dict(zip(RUN, keys, strict=True)), "kappa_nats": kappa, "win": _at_kl(*curve, kappa)}
            for kappa in kappas_nats
            for keys, curve in curves.items()
        ]
    )
    methods = list(dict.fromkeys(method for method, _ in cells))
    means = over_seeds(values, "win", GROUPS, methods, seeds).rename(columns=MEANS)
    found = found.merge(means[["method", *GROUPS, *MEANS.values(), *COUNTS]], how="left")
    against = paired(values, "win", GROUPS, [(methods, baseline)]).rename(columns=DIFFERENCES)
    found = found.merge(against[["method", *GROUPS, *DIFFERENCES.values()]], how="left")
    found.loc[found["baseline"].isna(), list(DIFFERENCES.values())] = np.nan
    found["p_seeds_holm"] = holm(found["p_seeds"].to_numpy())
    found["p_prompts_holm_given_seeds"] = holm(found["p_prompts_given_seeds"].to_numpy())
    return found


def _at(
    kappa_nats: float,
    curves: Mapping[tuple, tuple[np.ndarray, np.ndarray]],
    cells: Sequence[tuple[str, str]],
    baseline: str,
    weights: np.ndarray,
) -> pd.DataFrame:
    """What is over prompts at one κ, a row a cell."""
    drawn = {
        keys: replicates(*curve, weights, kappa_nats)
        for keys, curve in curves.items()
        if not np.isnan(_at_kl(*curve, kappa_nats))
    }
    rows, count = [], weights.shape[1]
    for method, judge in cells:
        own, others = _seeds(drawn, method, judge), _seeds(drawn, baseline, judge)
        both = sorted(own.keys() & others.keys())
        compared = method != baseline and (baseline, judge) in cells
        gaps = _mean({seed: own[seed] - others[seed] for seed in both if compared})
        reached = [c[0].mean(axis=1).max() for k, c in curves.items() if k[:2] == (method, judge)]
        rows.append(
            {
                "method": method,
                "judge": judge,
                "kappa_nats": kappa_nats,
                "kl_reached_nats": min(reached),
                **_interval("win", _mean(own), count),
                "baseline": baseline if compared else None,
                **_interval("difference", gaps, count),
                "p_prompts_given_seeds": mean_p(gaps, count),
            }
        )
    return pd.DataFrame(rows)


def _curve(own: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(KL to the base, win rate against it), both [T + 1, P], of a run."""
    wide = own.pivot(index="iteration", columns="prompt_id", values=["kl_base_nats", "win_base"])
    return wide["kl_base_nats"].to_numpy(), wide["win_base"].to_numpy()


def _at_kl(kl_nats: np.ndarray, win: np.ndarray, kappa_nats: float) -> float:
    return reward_at_kl(kl_nats.mean(axis=1), win.mean(axis=1), kappa_nats)


def _seeds(drawn: Mapping[tuple, np.ndarray], method: str, judge: str) -> dict[int, np.ndarray]:
    """Seed → replicates [draws], of the runs that reach κ."""
    return {keys[2]: own for keys, own in drawn.items() if keys[:2] == (method, judge)}


def _mean(by_seed: Mapping[int, np.ndarray]) -> np.ndarray:
    """Mean over seeds [draws]; of none, one NaN."""
    return np.mean(list(by_seed.values()), axis=0) if by_seed else np.array([np.nan])


def _interval(name: str, values: np.ndarray, prompts: int) -> dict[str, float]:
    found = percentile_interval(values, expanded_level(prompts))
    ends = {"low": found.low, "high": found.high}
    return {f"{name}_prompts_{end}_given_seeds": value for end, value in ends.items()}
