"""Tables of a grid: reward at one KL per (method, shift, n), and differences to a baseline.

Rewards of scans enter freed of the noise common to all runs (`reference.controlled_evaluations`,
`controlled_samples`), so that the reference is their end point at KL 0.

Two kinds of uncertainty, never mixed. Over *seeds* (fresh responses, labels and training): a
Student t interval, which speaks about the method, conditional on the evaluation's prompts and
noise. Over *prompts*, paired, conditional on the seeds: it speaks about these very policies only. A run whose scan does not contain the KL is
missing: it is counted, not clamped.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from prefgrid.statistics.frontier import prompt_rewards_at_kl, reward_at_kl
from prefgrid.statistics.intervals import LEVEL, holm, t_interval, t_test_p
from prefgrid.statistics.reference import Reference

CELL = ["method", "shift", "n"]
RUN = [*CELL, "seed"]


def runs_at_kl(evaluations: pd.DataFrame, kappa_nats: float, reference: Reference) -> pd.DataFrame:
    """One row a run: `method, shift, n, seed, reward, kl_low, kl_high`.

    `evaluations` columns: the run's keys, `beta, avg_reward` (controlled), `kl_div`. `reward` is the reward at
    KL = κ, NaN where the run's scan does not reach it; the reference (KL 0) is the lower end
    point. `kl_low`, `kl_high`: the KLs scanned.
    """
    rows = []
    for keys, run in evaluations.groupby(RUN, sort=True):
        kl_nats = np.append(run["kl_div"].to_numpy(), 0.0)
        reward = np.append(run["avg_reward"].to_numpy(), reference.reward_mean)
        at_kappa = reward_at_kl(kl_nats, reward, kappa_nats)
        rows.append((*keys, at_kappa, run["kl_div"].min(), run["kl_div"].max()))
    return pd.DataFrame(rows, columns=[*RUN, "reward", "kl_low", "kl_high"])


def prompts_at_kl(samples: pd.DataFrame, kappa_nats: float, reference: Reference) -> pd.DataFrame:
    """One row a run and prompt: the run's keys, `prompt_id, value` (see `prompt_rewards_at_kl`).

    `samples` columns: the run's keys, `beta, prompt_id, reward` (controlled), `kl_nats`; several samples of a
    prompt are averaged first. Every β of a run must have the same prompts.
    """
    parts = []
    for keys, run in samples.groupby(RUN, sort=True):
        table = run.pivot_table(
            index="beta", columns="prompt_id", values=["kl_nats", "reward"], aggfunc="mean"
        )
        prompts = table["reward"].columns
        base = reference.prompt_reward.reindex(prompts)
        kl_nats = np.vstack([table["kl_nats"], np.zeros(len(prompts))])
        reward = np.vstack([table["reward"], base])
        if np.isnan(kl_nats).any() or np.isnan(reward).any():
            raise ValueError(
                f"samples of {dict(zip(RUN, keys, strict=True))}: every β and the reference must "
                "cover the same prompts"
            )
        values = prompt_rewards_at_kl(kl_nats, reward, kappa_nats)
        part = pd.DataFrame({"prompt_id": prompts, "value": values})
        parts.append(part.assign(**dict(zip(RUN, keys, strict=True))))
    return pd.concat(parts, ignore_index=True)[[*RUN, "prompt_id", "value"]]


def cells(runs: pd.DataFrame, methods: Sequence[str]) -> list[tuple[str, float, int]]:
    """Every (method, shift, n) of the grid spanned by `runs`, by n, then shift, then method.

    A cell with no run at all is listed too: it is missing, not absent.
    """
    return [
        (method, float(shift), int(n))
        for n in sorted(runs["n"].unique())
        for shift in sorted(runs["shift"].unique())
        for method in methods
    ]


def summarise(
    runs: pd.DataFrame,
    prompt_values: pd.DataFrame,
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
    `shift_change_sd_prompts_*`: the same for the method's change from the lowest shift at the same
    n, over the seeds that reach κ at both; NaN at the lowest shift itself.
    """
    lowest = float(runs["shift"].min())
    rows = []
    for cell in cells(runs, methods):
        own = _select(runs, cell)
        over_seeds = t_interval(own["reward"].to_numpy(), level)
        gains = _prompt_means(prompt_values, cell).sub(reference.prompt_reward).dropna()
        over_prompts = t_interval(gains.to_numpy() / reference.reward_sd, level)
        method, shift, n = cell
        changes = (
            _prompt_differences(prompt_values, cell, (method, lowest, n))
            if shift != lowest
            else np.empty(0)
        )
        change_over_prompts = t_interval(changes / reference.reward_sd, level)
        rows.append(
            {
                **dict(zip(CELL, cell, strict=True)),
                "kappa_nats": kappa_nats,
                "seeds": over_seeds.count,
                "seeds_missing": len(seeds) - over_seeds.count,
                "reward": over_seeds.mean,
                "reward_seeds_low": over_seeds.low,
                "reward_seeds_high": over_seeds.high,
                "gain_sd": reference.gain(over_seeds.mean),
                "gain_sd_seeds_low": reference.gain(over_seeds.low),
                "gain_sd_seeds_high": reference.gain(over_seeds.high),
                "gain_sd_prompts_low_given_seeds": over_prompts.low,
                "gain_sd_prompts_high_given_seeds": over_prompts.high,
                "shift_change_sd_prompts_low_given_seeds": change_over_prompts.low,
                "shift_change_sd_prompts_high_given_seeds": change_over_prompts.high,
                "prompts": over_prompts.count,
                "kl_scanned_low": own["kl_low"].max(),
                "kl_scanned_high": own["kl_high"].min(),
                "missing": _missing(own, len(seeds), kappa_nats),
            }
        )
    return pd.DataFrame(rows)


def differences(
    runs: pd.DataFrame,
    prompt_values: pd.DataFrame,
    reference: Reference,
    methods: Sequence[str],
    baseline: str,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Differences to `baseline` at the same κ, paired by seed and by prompt, in reference sd.

    One row a (method, shift, n) but for the baseline's own. `p_seeds` is the paired t test over
    seeds, `p_seeds_holm` Holm's correction over all rows of the same n.
    """
    rows = []
    for method, shift, n in cells(runs, methods):
        if method == baseline:
            continue
        pair = [
            _select(runs, (label, shift, n)).set_index("seed")["reward"]
            for label in (method, baseline)
        ]
        by_seed = pair[0].sub(pair[1]).to_numpy() / reference.reward_sd
        over_seeds = t_interval(by_seed, level)
        by_prompt = _prompt_differences(prompt_values, (method, shift, n), (baseline, shift, n))
        over_prompts = t_interval(by_prompt / reference.reward_sd, level)
        rows.append(
            {
                **dict(zip(CELL, (method, shift, n), strict=True)),
                "baseline": baseline,
                "seeds": over_seeds.count,
                "difference_sd": over_seeds.mean,
                "difference_sd_seeds_low": over_seeds.low,
                "difference_sd_seeds_high": over_seeds.high,
                "p_seeds": t_test_p(by_seed),
                "difference_sd_prompts_low_given_seeds": over_prompts.low,
                "difference_sd_prompts_high_given_seeds": over_prompts.high,
                "prompts": over_prompts.count,
            }
        )
    if not rows:
        return pd.DataFrame(columns=DIFFERENCE_COLUMNS)
    table = pd.DataFrame(rows)
    table["p_seeds_holm"] = table.groupby("n")["p_seeds"].transform(lambda p: holm(p.to_numpy()))
    return table[DIFFERENCE_COLUMNS]


DIFFERENCE_COLUMNS = [
    *CELL,
    "baseline",
    "seeds",
    "difference_sd",
    "difference_sd_seeds_low",
    "difference_sd_seeds_high",
    "p_seeds",
    "p_seeds_holm",
    "difference_sd_prompts_low_given_seeds",
    "difference_sd_prompts_high_given_seeds",
    "prompts",
]


def _select(frame: pd.DataFrame, cell: tuple[str, float, int]) -> pd.DataFrame:
    method, shift, n = cell
    return frame[(frame["method"] == method) & (frame["shift"] == shift) & (frame["n"] == n)]


def _prompt_means(prompt_values: pd.DataFrame, cell: tuple[str, float, int]) -> pd.Series:
    """Value of each prompt, averaged over the seeds that reach κ."""
    return _select(prompt_values, cell).dropna().groupby("prompt_id")["value"].mean()


def _prompt_differences(
    prompt_values: pd.DataFrame, cell: tuple[str, float, int], other: tuple[str, float, int]
) -> np.ndarray:
    """`cell` − `other` [P], paired by prompt and averaged over the seeds that both have."""
    pair = [
        _select(prompt_values, keys).set_index(["seed", "prompt_id"])["value"]
        for keys in (cell, other)
    ]
    by_seed = pair[0].sub(pair[1]).dropna()
    return by_seed.groupby(level="prompt_id").mean().to_numpy()


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
