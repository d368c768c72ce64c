"""What the reference earns on the evaluation prompts: the zero of every gain."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Reference:
    """Scored reference samples, summarised.

    `prompt_reward`: mean reward of each prompt's samples (index: prompt_id). `reward_sd`: standard
    deviation of single responses' rewards over all prompts and samples, the unit of gains;
    `within_sd`: the same within a prompt, which is what a policy can act on.
    """

    prompt_reward: pd.Series
    reward_sd: float
    within_sd: float

    @property
    def reward_mean(self) -> float:
        return float(self.prompt_reward.mean())

    def gain(self, reward: float | pd.Series) -> float | pd.Series:
        """(reward − reference mean) / reference sd."""
        return (reward - self.reward_mean) / self.reward_sd


def summarise(samples: pd.DataFrame) -> Reference:
    """From the reference's samples, columns `prompt_id, reward` (several rows a prompt)."""
    if samples.empty:
        raise ValueError("reference samples: the table is empty")
    groups = samples.groupby("prompt_id", sort=True)["reward"]
    return Reference(
        prompt_reward=groups.mean(),
        reward_sd=float(samples["reward"].std(ddof=0)),
        within_sd=float(groups.var(ddof=0).mean() ** 0.5),
    )
