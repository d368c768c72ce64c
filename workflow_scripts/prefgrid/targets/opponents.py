"""Whom a response is compared with, and how much each comparison counts."""

from collections.abc import Sequence

import numpy as np

from prefgrid.targets.scores import weighted_means


def weights(own: int, others: Sequence[int], opponent: str) -> np.ndarray:
    """How much each of N responses counts as an opponent, [N], with sum 1.

    own: how many the policy gave that answered (K); others: how many each other policy gave, in their order.
    Policies count alike, whatever the number of their responses. opponent:

    * previous: the policy itself, its own responses;
    * base: the one other policy; the policy itself where there is no other, as it is the base then;
    * mixture: all others and the policy itself (MNPO, arXiv 2509.23102, with equal weights).

    ValueError where the number of other policies is none that the opponent can have.
    """
    allowed = {"previous": (0, 0), "base": (0, 1), "mixture": (0, len(others))}[opponent]
    if not allowed[0] <= len(others) <= allowed[1]:
        raise ValueError(
            f"targets.opponent: {opponent}, but there are responses of {len(others)} other policies; allowed: "
            + ("none" if opponent == "previous" else "one or none")
        )
    sizes = [own, *others]
    counts = [False, True] if opponent == "base" and others else [True] * len(sizes)
    total = sum(counts)
    shares = [count / (size * total) for size, count in zip(sizes, counts, strict=True)]
    return np.repeat(shares, sizes)


def against(
    table: np.ndarray, opponents: np.ndarray, own: int, *, include_self: bool
) -> np.ndarray:
    """Mean of each own response's row over its opponents, [K]: win probabilities of probabilities, mean
    scores of scores.

    table: [N, N]. opponents: of `weights`. include_self: whether a response meets itself, where its policy is
    among the opponents; without it the other K − 1 carry the policy's whole weight.
    """
    shares = np.tile(opponents, (own, 1))
    if not include_self:
        shares[:, :own] *= own / (own - 1)
        np.fill_diagonal(shares, 0.0)
    return weighted_means(table[:own], shares)
