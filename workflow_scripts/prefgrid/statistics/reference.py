"""What the reference earns on the evaluation prompts: the zero of every gain.

A policy is scanned with few samples a prompt, all with the same noise in every run. What that
noise adds by chance is common to all runs, so intervals over seeds cannot see it. But the
reference was sampled with it too: its sample k used the uniforms of the scan's sample k. The
reference's mean under the scan's own noise is therefore a control variate with coefficient 1:

    level = policy mean − reference mean under the same noise + reference mean over all samples

It is exact, up to rounding, where the policy tends to the reference, and unbiased everywhere.
"""

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


def scan_noise(samples: pd.DataFrame, scan_samples: int) -> pd.Series:
    """What the scan's noise adds to the reference's reward, per prompt (index: prompt_id).

    `samples`: the reference's, columns `prompt_id, sample, reward`. `scan_samples`: samples a prompt
    of the scans. Returns mean reward of samples 0 … scan_samples − 1, minus that of all samples.
    """
    shared = samples["sample"] < scan_samples
    if (shared.groupby(samples["prompt_id"]).sum() != scan_samples).any():
        raise ValueError(
            f"reference samples: every prompt needs samples 0 to {scan_samples - 1}, "
            "the ones that share the scans' noise"
        )
    under_noise = samples[shared].groupby("prompt_id")["reward"].mean()
    return under_noise - samples.groupby("prompt_id")["reward"].mean()


def controlled_evaluations(evaluations: pd.DataFrame, noise: pd.Series) -> pd.DataFrame:
    """The evaluations (a row a β) with `avg_reward` less the noise of `scan_noise`."""
    return evaluations.assign(avg_reward=evaluations["avg_reward"] - noise.mean())


def controlled_samples(samples: pd.DataFrame, noise: pd.Series) -> pd.DataFrame:
    """The scans' samples with each `reward` less its prompt's part of `scan_noise`.

    Means over prompts are those of `controlled_evaluations`; a prompt without reference samples
    becomes NaN.
    """
    return samples.assign(reward=samples["reward"] - samples["prompt_id"].map(noise))
