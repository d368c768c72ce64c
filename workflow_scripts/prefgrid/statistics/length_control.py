"""Length-controlled win rate: what the win rate were if both responses were of one length.

A logistic model of the verdicts, P(a beats b) = σ(θ + φ·tanh((len_a − len_b)/sd)), with sd that of the
differences in length; the length-controlled win rate is its value where the length term is 0, σ(θ).
Source: Dubois et al., "Length-Controlled AlpacaEval", arXiv 2404.04475, without its terms of the
instructions' difficulty, which need many models on the same instructions. Verdicts on responses to one
prompt are not independent: the covariance is clustered by prompt (Liang & Zeger 1986), with the usual
correction for few clusters.
"""

import numpy as np
from scipy import special, stats

from prefgrid.statistics.intervals import LEVEL, Interval

# Newton's steps; the likelihood is concave, and halving a step that lowers it lets every start converge.
STEPS = 100
TOLERANCE = 1e-10


def length_controlled(
    verdicts: np.ndarray, differences: np.ndarray, prompts: np.ndarray, level: float = LEVEL
) -> Interval:
    """σ(θ) with its interval, of θ ± t·se (prompts − 1 degrees of freedom), so that it stays in (0, 1).

    verdicts: [N] in [0, 1], that a won. differences: [N], a's length minus b's. prompts: [N], which cluster a
    pair is of. `count`: of prompts. NaN where length alone says who wins, or all pairs differ by one length:
    then nothing can be said of equal lengths. Where no pair differs, or all verdicts are the same, it is the
    win rate itself, the latter without an interval. ValueError for verdicts outside [0, 1].
    """
    verdicts, differences = (np.asarray(one, np.float64) for one in (verdicts, differences))
    if not ((verdicts >= 0) & (verdicts <= 1)).all() or not np.isfinite(differences).all():
        raise ValueError(
            "verdicts must be in [0, 1] and differences in length finite; found others"
        )
    names, cluster = np.unique(np.asarray(prompts), return_inverse=True)
    count = len(names)
    unknown = Interval(np.nan, np.nan, np.nan, count)
    if not verdicts.size:
        return unknown
    if verdicts.min() == verdicts.max() in (0.0, 1.0):
        return unknown._replace(mean=float(verdicts[0]))
    design = np.ones((verdicts.size, 1))
    if differences.any():
        spread = differences.std()
        if not spread or _decides(verdicts, differences):
            return unknown
        design = np.column_stack([design, np.tanh(differences / spread)])
    coefficients = _fit(verdicts, design)
    theta = float(coefficients[0])
    if count < 2:
        return unknown._replace(mean=float(special.expit(theta)))
    error = np.sqrt(_covariance(verdicts, design, coefficients, cluster)[0, 0])
    half = stats.t.ppf(0.5 + level / 2, count - 1) * error
    low, high = special.expit([theta - half, theta + half])
    return Interval(float(special.expit(theta)), float(low), float(high), count)


def _decides(verdicts: np.ndarray, differences: np.ndarray) -> bool:
    """Whether a threshold of the difference tells winners from losers, so that no finite φ is the likeliest; a
    tie is one of either."""
    wins, losses = differences[verdicts > 0], differences[verdicts < 1]
    return bool(losses.max() <= wins.min() or wins.max() <= losses.min())


def _fit(verdicts: np.ndarray, design: np.ndarray) -> np.ndarray:
    """The likeliest coefficients, by Newton's method."""
    coefficients = np.zeros(design.shape[1])
    likelihood = _log_likelihood(verdicts, design @ coefficients)
    for _ in range(STEPS):
        expected = special.expit(design @ coefficients)
        gradient = design.T @ (verdicts - expected)
        step = np.linalg.solve(_information(design, expected), gradient)
        size = 1.0
        while (
            found := _log_likelihood(verdicts, design @ (coefficients + size * step))
        ) < likelihood and size > TOLERANCE:
            size /= 2
        coefficients, likelihood = coefficients + size * step, found
        if np.abs(size * step).max() < TOLERANCE:
            return coefficients
    raise ArithmeticError(f"the fit of {verdicts.size} verdicts on length did not converge")


def _log_likelihood(verdicts: np.ndarray, logits: np.ndarray) -> float:
    return float((verdicts * logits - np.logaddexp(0, logits)).sum())


def _information(design: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return (design * (expected * (1 - expected))[:, None]).T @ design


def _covariance(
    verdicts: np.ndarray, design: np.ndarray, coefficients: np.ndarray, cluster: np.ndarray
) -> np.ndarray:
    """Of the coefficients, clustered; cluster: [N], numbers from 0."""
    expected = special.expit(design @ coefficients)
    scores = np.zeros((cluster.max() + 1, design.shape[1]))
    np.add.at(scores, cluster, design * (verdicts - expected)[:, None])
    bread = np.linalg.inv(_information(design, expected))
    (pairs, terms), clusters = design.shape, len(scores)
    correction = clusters / (clusters - 1) * (pairs - 1) / (pairs - terms)
    return correction * bread @ scores.T @ scores @ bread
