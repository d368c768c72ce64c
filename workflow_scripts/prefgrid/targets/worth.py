"""What each response of an iteration is worth against its opponents, by a judge's logits.

SPPO (arXiv 2405.00675) takes P̂(y_i ≻ π) = mean_j σ(s_ij), GPO (arXiv 2410.02197) the mean score s̄_i = mean_j s_ij.
Both are means over all samples of the opponent, whatever is trained on later: a response that is there twice
was drawn twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prefgrid.targets import length_control, opponents, overlap, scores


@dataclass(frozen=True)
class Compared:
    """One prompt: float64 logits [N, N] of `tokens`, N responses without their end token. The first `own` are
    the policy's that answered (K), the next others[0] the first other policy's, and so on."""

    logits: np.ndarray
    tokens: Sequence[Sequence[int]]
    own: int
    others: Sequence[int] = ()


@dataclass(frozen=True)
class Worth:
    """Of the K own responses to one prompt.

    table: [K, K] scores as the judge gives them. scores: [K, K] these, softened if asked for and never aggregated,
    whose means are mean_score. probability: [K, K] that i beats j; where the two orders say different things,
    their mean, so P_ij + P_ji = 1. win_probability, mean_score: [K] against the opponent, the latter in log-odds.
    """

    table: np.ndarray
    scores: np.ndarray
    probability: np.ndarray
    win_probability: np.ndarray
    mean_score: np.ndarray

    def values(self, by: str) -> np.ndarray:
        """[K], what the best is the best by: mean_probability or mean_logit."""
        return {"mean_probability": self.win_probability, "mean_logit": self.mean_score}[by]


def worths(
    prompts: Sequence[Compared], targets: Mapping[str, Any]
) -> tuple[list[Worth], float | None]:
    """(of each prompt, φ of the length control or None without it). targets: the section of that name, whole."""
    tables = [
        scores.scores(
            one.logits, symmetrise=targets["symmetrise"], logit_scale=targets["logit_scale"]
        )
        for one in prompts
    ]
    slope = None
    if targets["length_control"]:
        lengths = [[len(tokens) for tokens in one.tokens] for one in prompts]
        found = length_control.fit(tables, lengths)
        tables = [table - found.explained(of) for table, of in zip(tables, lengths, strict=True)]
        slope = found.slope
    return [_worth(one, table, targets) for one, table in zip(prompts, tables, strict=True)], slope


def _worth(prompt: Compared, table: np.ndarray, targets: Mapping[str, Any]) -> Worth:
    own = prompt.own
    shares = opponents.weights(own, prompt.others, targets["opponent"])
    counted = scores.aggregated(table, shares) if targets["estimator"] == "aggregated" else table
    scored = table
    if targets["soften"]:
        drawn = overlap.overlaps(prompt.tokens), targets["soften"]
        counted, scored = scores.softened(counted, *drawn), scores.softened(table, *drawn)
    probability = scores.probabilities(counted)
    pairs = probability[:own, :own]
    options = {"own": own, "include_self": targets["include_self"]}
    return Worth(
        table=table[:own, :own],
        scores=scored[:own, :own],
        probability=(pairs + 1 - pairs.T) / 2,
        win_probability=opponents.against(probability, shares, **options),
        # A mean already: differences of means have no part in it.
        mean_score=opponents.against(scored, shares, **options),
    )
