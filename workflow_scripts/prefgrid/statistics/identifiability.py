"""Can labels of a preference link tell it from a rescaled logistic one at all?

The scale of a learned index is not identified, so a logistic learner may use any scale a. What
misspecification costs it is the divergence of the best-rescaled logistic link from the true one,

    excess = min_a E_u KL(Bern(Ψ(u)) ‖ Bern(σ(a·u)))      nats a label,

and n labels carry n·excess nats against every logistic learner (White 1982: the maximum-likelihood
limit of a wrong model). Where that is small, no learner can be expected to win by its link.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats
from scipy.special import expit, rel_entr

from prefgrid import links

SIGNIFICANCE = 0.05


class LogisticFit(NamedTuple):
    """The logistic link closest to the true one: `scale` (a, per unit of u), `excess_kl_nats`."""

    scale: float
    excess_kl_nats: float


def best_logistic(utility_diff: np.ndarray, shift: float, temperature: float) -> LogisticFit:
    """argmin and min over a of the mean over u [N] of KL(Bern(Ψ(u)) ‖ Bern(σ(a·u))).

    Ψ = `links.mixture` with `shift` and `temperature`. The mean is convex in a. Mixing in ±s only
    flattens the link, so a lies in [0, 1/T].
    """
    utility_diff = np.asarray(utility_diff, dtype=np.float64)
    true = links.mixture(utility_diff, shift, temperature)
    scaled = utility_diff / temperature

    def slope(share: float) -> float:
        return float(np.mean(scaled * (expit(share * scaled) - true)))

    share = 1.0 if slope(1.0) <= 0 else 0.0 if slope(0.0) >= 0 else optimize.brentq(slope, 0.0, 1.0)
    # σ(−x) and Ψ(−u) rather than one minus the other: exact in the tails.
    false = links.mixture(-utility_diff, shift, temperature)
    excess = rel_entr(true, expit(share * scaled)) + rel_entr(false, expit(-share * scaled))
    return LogisticFit(share / temperature, max(0.0, float(excess.mean())))


def bayes_accuracy(utility_diff: np.ndarray, shift: float, temperature: float) -> float:
    """E max(Ψ(u), 1 − Ψ(u)) over u [N]: no predictor of the labels can be right more often."""
    true = links.mixture(utility_diff, shift, temperature)
    return float(np.maximum(true, 1 - true).mean())


def likelihood_ratio_power(evidence_nats: float, significance: float = SIGNIFICANCE) -> float:
    """Power of an ideal test of "some rescaled logistic link" against the true link.

    Ideal: a likelihood-ratio test with one free parameter that points exactly from the best logistic
    link to the true one; no test that has to find the direction does better. Twice its
    log-likelihood ratio tends to a noncentral χ² with one degree of freedom and noncentrality
    2·n·excess (Wald 1943; Kullback 1959, ch. 5) where the excess a label is small; at .014 nats a label
    the formula was found about 4 points below the simulated power.
    """
    bound = stats.chi2.ppf(1 - significance, 1)
    return float(stats.ncx2.sf(bound, 1, 2 * evidence_nats))


def table(
    utilities: Mapping[int, np.ndarray],
    shifts: Sequence[float],
    sizes: Sequence[int],
    temperature: float,
) -> pd.DataFrame:
    """One row a (shift, n), sorted by n and shift; means over seeds.

    `utilities`: seed → normalised utility differences u of its pairs, of which a training set of n
    has the first n, without those that are NaN. Columns: `shift, n, seeds, excess_kl_nats` (a label),
    `evidence_nats` (of all its labels), `bayes_accuracy`, `power`.
    """
    rows = []
    for n in sorted(sizes):
        for shift in sorted(shifts):
            figures = []
            for seed, utility_diff in utilities.items():
                if len(utility_diff) < n:
                    raise ValueError(
                        f"seed {seed} has {len(utility_diff)} utilities, fewer than n = {n}"
                    )
                own = utility_diff[:n][~np.isnan(utility_diff[:n])]
                labels = len(own)
                excess = best_logistic(own, shift, temperature).excess_kl_nats
                accuracy = bayes_accuracy(own, shift, temperature)
                evidence = labels * excess
                figures.append((excess, evidence, accuracy, likelihood_ratio_power(evidence)))
            rows.append((shift, n, len(figures), *np.mean(figures, axis=0)))
    columns = ["shift", "n", "seeds", "excess_kl_nats", "evidence_nats", "bayes_accuracy", "power"]
    return pd.DataFrame(rows, columns=columns)
