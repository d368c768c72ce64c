"""The oracle frontier, estimated from scored samples of the reference alone.

The KL-regularised optimum π*(y|x) ∝ π_ref(y|x)·exp(r(x,y)/β) is the reference reweighted, so the
reward and the KL of π* follow from reference samples by self-normalised importance weights. With
S samples a prompt the weights collapse onto the best one as β falls; the effective sample size
says where the estimate may still be trusted.
"""

import numpy as np
import pandas as pd
from scipy.special import logsumexp

# Below this mean effective sample size the estimate is not drawn.
SMALLEST_SAMPLE_SIZE = 10.0
GRID_POINTS = 60


def estimate(rewards: np.ndarray, betas: np.ndarray) -> pd.DataFrame:
    """One row a β: `beta, kl_nats, reward, sample_size` (means over prompts).

    `rewards` [P, S]: S ≥ 2 scored reference samples of each of P prompts; `betas` in the unit of
    the reward. Per prompt: w ∝ exp(r/β), E*[r] = Σ w r, KL = E*[r]/β − log mean exp(r/β),
    effective sample size 1/Σ w².
    """
    rewards = np.asarray(rewards, dtype=np.float64)
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(f"rewards must be [prompts, samples >= 2], got shape {rewards.shape}")
    rows = []
    for beta in betas:
        if beta <= 0:
            raise ValueError(f"beta {beta}: must be > 0")
        scaled = rewards / beta
        log_total = logsumexp(scaled, axis=1, keepdims=True)
        weights = np.exp(scaled - log_total)
        optimum = (weights * rewards).sum(axis=1)
        kl_nats = optimum / beta - (log_total[:, 0] - np.log(rewards.shape[1]))
        sample_size = 1.0 / (weights**2).sum(axis=1)
        rows.append((beta, kl_nats.mean(), optimum.mean(), sample_size.mean()))
    return pd.DataFrame(rows, columns=["beta", "kl_nats", "reward", "sample_size"])


def drawable(samples: pd.DataFrame) -> pd.DataFrame:
    """The part of the oracle frontier that may be drawn, from KL 0 upwards.

    `samples`: columns `prompt_id, sample, reward`, equally many samples a prompt. β runs
    geometrically downwards; rows stop before the mean effective sample size falls below 10. May
    be empty (too few samples).
    """
    table = samples.pivot(index="prompt_id", columns="sample", values="reward")
    if table.isna().to_numpy().any():
        raise ValueError("reference samples: every prompt must have the same number of samples")
    rewards = table.to_numpy()
    spread = float(np.sqrt(rewards.var(axis=1).mean()))
    if spread == 0:
        return estimate(rewards, np.empty(0))
    frontier = estimate(rewards, spread * np.geomspace(50.0, 0.02, GRID_POINTS))
    trusted = (frontier["sample_size"] >= SMALLEST_SAMPLE_SIZE).cummin()
    return frontier[trusted]
