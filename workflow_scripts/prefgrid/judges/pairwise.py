"""What a pairwise judge is, and the one way to ask any judge which of K responses is better.

A pairwise judge's module is that of a pointwise one (`judges.base`) but for what `load` returns: a
`PairwiseJudge`. One whose judge compares and has no `score` carries the literal `COMPARES = True`. A judge
may have `own_logits` too, as `logits` but by its model's own forwards, which rehearsals compare with them.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from prefgrid.judges.base import judged_rewards

# By which l_ij and −l_ji of an antisymmetric judge may differ, relative to them where they are beyond 1.
ROUNDING = 1e-5


class PairwiseJudge(Protocol):
    """Compares the responses to a prompt with each other; what it says of one prompt's depends on no other."""

    # Whether l_ij = −l_ji holds by construction; else the order in which two are shown may count.
    antisymmetric: bool

    def logits(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """One float32 [K, K] a prompt: the log-odds l_ij that response i, shown first, beats j; 0 on the
        diagonal. ValueError naming a pair that it cannot compare."""
        ...


def matrices(
    judge: Any, prompts: Sequence[str], responses: Sequence[Sequence[str]]
) -> list[np.ndarray]:
    """What a judge of either kind says of the K >= 2 responses to each prompt: float32 [K, K] each, as
    `PairwiseJudge.logits` gives them; r_i − r_j by a pointwise judge.

    K may differ between prompts. A judge is anybody's code: ValueError for another shape, a diagonal that
    is not 0, or a logit that is not finite or, of an antisymmetric judge, not −l_ji, naming the pair. ValueError for K < 2, before it is asked.
    """
    check_groups(prompts, responses)
    found = _logits if hasattr(judge, "logits") else _differences
    return found(judge, prompts, responses)


def check_groups(
    prompts: Sequence[str], responses: Sequence[Sequence[str]], where: str = ""
) -> None:
    """ValueError for the first prompt with K < 2 responses; `where` stands before its number."""
    for number, (prompt, group) in enumerate(zip(prompts, responses, strict=True)):
        if len(group) < 2:
            raise ValueError(
                f"{where}row {number}: {len(group)} response(s) to {prompt!r} leave nothing to compare; "
                "allowed: at least 2"
            )


def matrix(judge: Any, prompt: str, responses: Sequence[str]) -> np.ndarray:
    """`matrices` of the responses to one prompt: float32 [K, K]."""
    return matrices(judge, [prompt], [responses])[0]


def antisymmetric(judge: Any) -> bool:
    """Whether the order in which a judge sees two responses cannot count; of a pointwise judge it cannot."""
    return judge.antisymmetric if hasattr(judge, "logits") else True


def _differences(
    judge: Any, prompts: Sequence[str], responses: Sequence[Sequence[str]]
) -> list[np.ndarray]:
    sizes = [len(group) for group in responses]
    asked = [prompt for prompt, size in zip(prompts, sizes, strict=True) for _ in range(size)]
    rewards = judged_rewards(judge, asked, [one for group in responses for one in group])
    parts = np.split(rewards, np.cumsum(sizes)[:-1]) if sizes else []
    found = [part[:, None] - part[None, :] for part in parts]
    for prompt, group, logits in zip(prompts, responses, found, strict=True):
        # The difference of two finite rewards of opposite signs can be beyond float32.
        _check_finite(logits, prompt, group)
    return found


def _logits(
    judge: PairwiseJudge, prompts: Sequence[str], responses: Sequence[Sequence[str]]
) -> list[np.ndarray]:
    found = [np.asarray(one, dtype=np.float32) for one in judge.logits(prompts, responses)]
    if len(found) != len(prompts):
        raise ValueError(f"the judge gave {len(found)} matrices for {len(prompts)} prompts")
    for number, (prompt, group, logits) in enumerate(zip(prompts, responses, found, strict=True)):
        if logits.shape != (len(group), len(group)):
            raise ValueError(
                f"row {number}: the judge gave logits of shape {list(logits.shape)} for {len(group)} "
                "responses"
            )
        _check_finite(logits, prompt, group)
        if np.diagonal(logits).any():
            raise ValueError(
                f"row {number}: the judge gave {np.diagonal(logits).tolist()} on the diagonal, where a "
                "response meets itself; allowed: 0"
            )
        if judge.antisymmetric:
            _check_antisymmetric(number, logits, group)
    return found


def _check_antisymmetric(row: int, logits: np.ndarray, responses: Sequence[str]) -> None:
    allowed = ROUNDING * np.maximum(1, np.abs(logits))
    for first, second in np.argwhere(np.abs(logits + logits.T) > allowed)[:1]:
        raise ValueError(
            f"row {row}: the judge says that it is antisymmetric, but its logits of {responses[first]!r} and "
            f"{responses[second]!r} are {logits[first, second]:g} and {logits[second, first]:g} in the two "
            "orders; allowed: one the negative of the other, or antisymmetric = False"
        )


def _check_finite(logits: np.ndarray, prompt: str, responses: Sequence[str]) -> None:
    for first, second in np.argwhere(~np.isfinite(logits))[:1]:
        raise ValueError(
            f"the judge's logit of {responses[first]!r}, shown first, against {responses[second]!r} as "
            f"answers to {prompt!r} is {logits[first, second]}"
        )
