"""Tables of a grid: reward at one KL per (method, shift, n), and differences to a baseline.

Rewards of scans enter freed of the noise common to all runs (`reference.controlled_evaluations`,
`controlled_samples`), so that the reference is their end point at KL 0.

Two kinds of uncertainty, never mixed. Over *seeds* (fresh responses, labels and training): a
Student t interval, which speaks about the method, conditional on the evaluation's prompts and
noise. Over *prompts*, paired, conditional on the seeds: a bootstrap interval, which speaks about
these very policies only. A run whose scan does not contain the KL is missing: it is counted, not
clamped.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from prefgrid.statistics.area import mean_heights
from prefgrid.statistics.contrasts import over_seeds, paired
from prefgrid.statistics.frontier import reward_at_kl
from prefgrid.statistics.intervals import LEVEL, holm
from prefgrid.statistics.prompts import CELL, RUN, Cell, PromptReplicates
from prefgrid.statistics.reference import Reference

# Rows of the tables are sorted by these, then by method.
GROUPS = ["n", "shift"]


def runs_at_kl(evaluations: pd.DataFrame, kappa_nats: float, reference: Reference) -> pd.DataFrame:
    """One row a run: `method, shift, n, seed, reward, kl_low, kl_high, mean_height, area_kl_high`.

    `evaluations` columns: the run's keys, `beta, avg_reward` (controlled), `kl_div`. `reward` is the
    reward at KL = κ, NaN where the run's scan does not reach it; the reference (KL 0) is the lower
    end point. `kl_low`, `kl_high`: the KLs scanned. `mean_height`: mean reward from KL 0 to
    `area_kl_high`, one KL for the table, which all runs that reach κ reach (`area.mean_heights`).
    """
    rows = []
    for keys, run in evaluations.groupby(RUN, sort=True):
        kl_nats = np.append(run["kl_div"].to_numpy(), 0.0)
        reward = np.append(run["avg_reward"].to_numpy(), reference.reward_mean)
        at_kappa = reward_at_kl(kl_nats, reward, kappa_nats)
        rows.append((*keys, at_kappa, run["kl_div"].min(), run["kl_div"].max()))
    runs = pd.DataFrame(rows, columns=[*RUN, "reward", "kl_low", "kl_high"])
    start = runs[RUN].assign(kl_div=0.0, avg_reward=reference.reward_mean)
    curves = pd.concat([evaluations[list(start)], start], ignore_index=True)
    heights = mean_heights(curves, "avg_reward", GROUPS, kappa_nats).drop(columns="area_kl_low")
    return runs.merge(heights, on=RUN)


def summarise(
    runs: pd.DataFrame,
    prompts: PromptReplicates,
    reference: Reference,
    kappa_nats: float,
    methods: Sequence[str],
    seeds: Sequence[int],
    level: float = LEVEL,
) -> pd.DataFrame:
    """Summary table, one row a (method, shift, n); missing figures are NaN.

    Reward columns are in the reward model's unit; gain columns are
    (reward − reference mean) / reference sd. `*_seeds_low/high`: t interval over seeds;
    `*_prompts_low/high_given_seeds`: paired per prompt with the reference, seeds averaged.
    `mean_gain_sd`: mean gain from KL 0 to `area_kl_high`. `shift_change_sd_prompts_*`: the
    prompt interval of the method's change from the lowest shift at the same n, over the seeds that
    reach κ at both, and `shift_change_p_prompts_given_seeds` its p value; NaN at the lowest shift
    itself.
    """
    lowest = float(runs["shift"].min())
    heights = over_seeds(runs, "mean_height", GROUPS, methods, seeds, level)
    rewards = over_seeds(runs, "reward", GROUPS, methods, seeds, level)
    rows = []
    for over, height in zip(rewards.itertuples(), heights.itertuples(), strict=True):
        cell = (over.method, float(over.shift), int(over.n))
        own = _select(runs, cell)
        gain = prompts.gain(cell, reference.reward_sd, level)
        start = (over.method, lowest, cell[2])
        change = prompts.difference(cell, start, reference.reward_sd, level)
        changed = cell != start
        rows.append(
            {
                **dict(zip(CELL, cell, strict=True)),
                "kappa_nats": kappa_nats,
                "seeds": over.seeds,
                "seeds_missing": over.seeds_missing,
                "reward": over.mean,
                "reward_seeds_low": over.low,
                "reward_seeds_high": over.high,
                "gain_sd": reference.gain(over.mean),
                "gain_sd_seeds_low": reference.gain(over.low),
                "gain_sd_seeds_high": reference.gain(over.high),
                "gain_sd_prompts_low_given_seeds": gain.low,
                "gain_sd_prompts_high_given_seeds": gain.high,
                "mean_gain_sd": reference.gain(height.mean),
                "mean_gain_sd_seeds_low": reference.gain(height.low),
                "mean_gain_sd_seeds_high": reference.gain(height.high),
                "area_kl_high": own["area_kl_high"].max(),
                "shift_change_sd_prompts_low_given_seeds": change.low if changed else np.nan,
                "shift_change_sd_prompts_high_given_seeds": change.high if changed else np.nan,
                "shift_change_p_prompts_given_seeds": change.p if changed else np.nan,
                "prompts": prompts.prompts,
                "kl_scanned_low": own["kl_low"].max(),
                "kl_scanned_high": own["kl_high"].min(),
                "missing": _missing(own, len(seeds), kappa_nats),
            }
        )
    return pd.DataFrame(rows)


def differences(
    runs: pd.DataFrame,
    prompts: PromptReplicates,
    reference: Reference,
    methods: Sequence[str],
    baseline: str,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Differences to `baseline` at the same κ, paired by seed and by prompt, in reference sd.

    One row a (method, shift, n) but for the baseline's own. Over seeds: `contrasts.paired`. The p
    values over seeds and those over prompts are two families: Holm's correction of each covers the
    whole table.
    """
    gains = runs.assign(gain=reference.gain(runs["reward"]))
    table = paired(gains, "gain", GROUPS, [(methods, baseline)], level).rename(
        columns={
            "difference": "difference_sd",
            "low": "difference_sd_seeds_low",
            "high": "difference_sd_seeds_high",
            "p": "p_seeds",
            "p_holm": "p_seeds_holm",
        }
    )
    over_prompts = [
        prompts.difference((method, shift, n), (baseline, shift, n), reference.reward_sd, level)
        for method, shift, n in table[CELL].itertuples(index=False, name=None)
    ]
    table["difference_sd_prompts_low_given_seeds"] = [found.low for found in over_prompts]
    table["difference_sd_prompts_high_given_seeds"] = [found.high for found in over_prompts]
    table["p_prompts_given_seeds"] = [found.p for found in over_prompts]
    table["p_prompts_holm_given_seeds"] = holm(table["p_prompts_given_seeds"].to_numpy())
    table["prompts"] = prompts.prompts
    return table[[*CELL, *table.columns.drop(CELL)]]


def _select(frame: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    method, shift, n = cell
    return frame[(frame["method"] == method) & (frame["shift"] == shift) & (frame["n"] == n)]


def _missing(runs: pd.DataFrame, seeds_wanted: int, kappa_nats: float) -> str:
    """Why seeds are missing, in words; empty if none is."""
    reasons = []
    absent = seeds_wanted - len(runs)
    if absent:
        reasons.append(f"{absent} not evaluated")
    short = runs[runs["reward"].isna()]
    if len(short):
        reached = ", ".join(f"{kl:.2f}" for kl in short["kl_high"])
        reasons.append(f"{len(short)} not scanned up to KL {kappa_nats:g} (largest KL {reached})")
    return "; ".join(reasons)
