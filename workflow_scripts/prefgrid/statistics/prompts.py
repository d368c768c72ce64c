"""Reward at one KL over resampled evaluation prompts, for every run of a grid.

All runs share the resamples, so a difference of replicates is paired by prompt, and replicates may
be averaged over seeds. What follows from them is conditional on the trained policies.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from prefgrid import seeding
from prefgrid.statistics.bootstrap import (
    DRAWS,
    PercentileInterval,
    expanded_level,
    mean_p,
    percentile_interval,
    replicates,
    resample_weights,
)
from prefgrid.statistics.intervals import LEVEL
from prefgrid.statistics.reference import Reference

Cell = tuple[str, float, int]
CELL = ["method", "shift", "n"]
RUN = [*CELL, "seed"]


class PromptDifference(NamedTuple):
    """Ends of a percentile interval, and `bootstrap.mean_p` of no difference; NaN where undefined."""

    low: float
    high: float
    p: float


@dataclass(frozen=True)
class PromptReplicates:
    """Bootstrap replicates over `prompts` prompts.

    `runs`: a row a run that reaches κ (index `RUN`), a column a resample, NaN where the resample
    misses κ. `reference` [draws]: the reference's mean reward in the same resamples.
    """

    runs: pd.DataFrame
    reference: np.ndarray
    prompts: int

    def of_runs(self, level: float = LEVEL) -> pd.DataFrame:
        """Each run's own interval: index `RUN`, `reward_prompts_low`, `reward_prompts_high`."""
        intervals = [self._interval(row, level)[:2] for row in self.runs.to_numpy()]
        columns = ["reward_prompts_low", "reward_prompts_high"]
        return pd.DataFrame(intervals, index=self.runs.index, columns=columns)

    def gain(self, cell: Cell, unit: float, level: float = LEVEL) -> PercentileInterval:
        """Of the cell's mean over seeds minus the reference, in `unit`s of reward."""
        return self._interval((self._mean(self._seeds(cell)) - self.reference) / unit, level)

    def difference(
        self, cell: Cell, other: Cell, unit: float, level: float = LEVEL
    ) -> PromptDifference:
        """Of `cell` − `other`, averaged over the seeds that both have, in `unit`s of reward."""
        first, second = self._seeds(cell), self._seeds(other)
        both = first.index.intersection(second.index)
        gaps = self._mean(first.loc[both] - second.loc[both])
        low, high, _ = self._interval(gaps / unit, level)
        return PromptDifference(low, high, mean_p(gaps, self.prompts))

    def _interval(self, values: np.ndarray, level: float) -> PercentileInterval:
        return percentile_interval(values, expanded_level(self.prompts, level))

    def _seeds(self, cell: Cell) -> pd.DataFrame:
        """The cell's replicates, a row a seed."""
        keys = self.runs.index
        inside = np.ones(len(keys), dtype=bool)
        for name, value in zip(CELL, cell, strict=True):
            inside &= keys.get_level_values(name) == value
        return self.runs[inside].droplevel(CELL)

    def _mean(self, seeds: pd.DataFrame) -> np.ndarray:
        """Mean over seeds [draws]; a resample that any seed misses has none."""
        return seeds.mean(axis=0, skipna=False).to_numpy(np.float64)


def prompts_at_kl(
    samples: pd.DataFrame, kappa_nats: float, reference: Reference, draws: int = DRAWS
) -> PromptReplicates:
    """Replicates of every run's reward at KL = κ.

    `samples` columns: the run's keys, `beta, prompt_id, reward` (controlled), `kl_nats`; several
    samples of a prompt are averaged first. Every β of every run must have the same prompts. The
    reference (KL 0) is the lower end point of each scan.
    """
    prompts = pd.Index(sorted(samples["prompt_id"].unique()), name="prompt_id")
    base = reference.prompt_reward.reindex(prompts).to_numpy()
    weights = resample_weights(len(prompts), seeding.stream(0, "prompt bootstrap"), draws)
    whole = np.full((1, len(prompts)), 1 / len(prompts))
    rows = {}
    for keys, run in samples.groupby(RUN, sort=True):
        table = run.pivot_table(
            index="beta", columns="prompt_id", values=["kl_nats", "reward"], aggfunc="mean"
        )
        kl_nats = np.vstack([table["kl_nats"].reindex(columns=prompts), np.zeros(len(prompts))])
        reward = np.vstack([table["reward"].reindex(columns=prompts), base])
        if np.isnan(kl_nats).any() or np.isnan(reward).any():
            raise ValueError(
                f"samples of {dict(zip(RUN, keys, strict=True))}: every β of every run and the "
                "reference must cover the same prompts"
            )
        if not np.isnan(replicates(kl_nats, reward, whole, kappa_nats)).any():
            rows[keys] = replicates(kl_nats, reward, weights, kappa_nats)
    index = pd.MultiIndex.from_tuples(list(rows), names=RUN) if rows else _no_runs()
    values = np.array(list(rows.values())).reshape(len(rows), draws)
    return PromptReplicates(pd.DataFrame(values, index=index), weights @ base, len(prompts))


def _no_runs() -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[] for _ in RUN], names=RUN)
