"""Exact evaluation of policies over few actions: reward, KL and index, with no sampling.

A policy is read at inverse strength β as π_β(y|x) = π_ref·(π_θ/π_ref)^(ζ/β) / Z(x), ζ = ±1 its sign.
Expectations over actions are sums, those over contexts means over the held-out ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor

from prefgrid import links
from prefgrid.statistics import bisection
from prefgrid.studies.single_index import network
from prefgrid.studies.single_index.network import Parameters

# Bracket of β in which KL = κ is looked for; the ends are far outside what a scan would show.
BETA_LOW, BETA_HIGH = 1.0e-4, 1.0e6
# The learned link is compared with the true one on this grid of the index, in its own sd.
LINK_GRID = np.linspace(-3.0, 3.0, 61)
# Held-out pairs that a bin of the true link needs.
FEWEST_PAIRS = 50


@dataclass(frozen=True)
class Policies:
    """Log-ratios log π_θ − log π_ref of S policies and the true rewards, both float64 [S, m, K], at
    the held-out contexts; signs ζ, float64 [S]."""

    log_ratios: Tensor
    rewards: Tensor
    signs: Tensor

    @classmethod
    def of(
        cls, parameters: Parameters, contexts: Tensor, rewards: Tensor, signs: Tensor
    ) -> Policies:
        """Of a stack of networks at contexts Tensor[S, m, d]."""
        wide = {name: tensor.double() for name, tensor in parameters.items()}
        policy = network.log_policy(wide, contexts.double())
        return cls(network.reference_log_ratio(policy), rewards.double(), signs.double())

    def at(self, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(KL(π_β‖π_ref) in nats [S], E_{π_β}[r*] [S]), one β a policy."""
        strength = self.signs / torch.from_numpy(np.asarray(betas, dtype=np.float64))
        scores = strength[:, None, None] * self.log_ratios
        log_policy = scores.log_softmax(dim=-1)
        policy = log_policy.exp()
        kl = (policy * network.reference_log_ratio(log_policy)).sum(-1).mean(-1)
        reward = (policy * self.rewards).sum(-1).mean(-1)
        return kl.numpy(), reward.numpy()

    def scan(self, betas: Sequence[float], seeds: Sequence[int]) -> pd.DataFrame:
        """One row a seed and β: `seed, beta, avg_reward, kl_div`."""
        parts = []
        for beta in sorted(betas):
            kl_nats, reward = self.at(np.full(len(seeds), beta))
            parts.append(
                pd.DataFrame({"seed": seeds, "beta": beta, "avg_reward": reward, "kl_div": kl_nats})
            )
        return pd.concat(parts, ignore_index=True)

    def at_kl(self, kappa_nats: float, seeds: Sequence[int]) -> pd.DataFrame:
        """One row a seed: `seed, kappa_nats, reward, beta, sign, index_correlation, pair_accuracy`.

        `reward` is that at KL = κ, exactly; `beta` where it is.  `index_correlation`: Spearman's, of
        ζt with u over all pairs of different actions at the held-out contexts; `pair_accuracy`: the
        share of these pairs that ζt orders as u does.
        """
        reward, beta = bisection.reward_at_kl(self.at, len(seeds), kappa_nats, BETA_LOW, BETA_HIGH)
        index, utility_diff = self.pairs()
        index = index * self.signs.numpy()[:, None]
        return pd.DataFrame(
            {
                "seed": seeds,
                "kappa_nats": kappa_nats,
                "reward": reward,
                "beta": beta,
                "sign": self.signs.numpy().astype(int),
                "index_correlation": [
                    spearmanr(t, u).statistic for t, u in zip(index, utility_diff, strict=True)
                ],
                "pair_accuracy": (np.sign(index) == np.sign(utility_diff)).mean(axis=1),
            }
        )

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Index t (nats, without ζ) and reward difference u of every pair of different actions at
        every held-out context, float64 [S, m·K(K−1)/2]."""
        first, second = torch.triu_indices(*2 * self.rewards.shape[-1:], offset=1)
        both = (self.log_ratios, self.rewards)
        return tuple((x[..., second] - x[..., first]).flatten(1).numpy() for x in both)

    def link_curves(
        self,
        index_nats: Tensor,
        probability: Tensor,
        shift: float,
        tau: float,
        seeds: Sequence[int],
    ) -> pd.DataFrame:
        """Learned and true link: `seed, index_sd, learned, true` on `LINK_GRID`.

        `index_nats`, `probability` [S, points]: the learned links as tables.  `true` is the mean of
        Ψ(u) over the held-out pairs whose index is nearest to the grid point, NaN where they are
        few; a pair counts in both orders.  The index is in units of its sd over held-out pairs,
        since its scale is not identified.
        """
        step = LINK_GRID[1] - LINK_GRID[0]
        parts = []
        for seed, index, utility_diff, grid, learned in zip(
            seeds, *self.pairs(), index_nats.numpy(), probability.numpy(), strict=True
        ):
            spread = math.sqrt((index**2).mean())  # both orders have mean 0
            both = np.concatenate([index, -index]) / spread
            probabilities = links.mixture(utility_diff, shift / tau, tau)
            position = np.rint((both - LINK_GRID[0]) / step).astype(int)
            inside = (position >= 0) & (position < LINK_GRID.size)
            weights = np.concatenate([probabilities, 1 - probabilities])[inside]
            count = np.bincount(position[inside], minlength=LINK_GRID.size)
            total = np.bincount(position[inside], weights, minlength=LINK_GRID.size)
            with np.errstate(invalid="ignore", divide="ignore"):
                true = np.where(count >= FEWEST_PAIRS, total / count, np.nan)
            at = np.interp(LINK_GRID * spread, grid, learned, left=np.nan, right=np.nan)
            parts.append(
                pd.DataFrame({"seed": seed, "index_sd": LINK_GRID, "learned": at, "true": true})
            )
        return pd.concat(parts, ignore_index=True)
