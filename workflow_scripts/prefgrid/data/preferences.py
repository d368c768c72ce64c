"""Preference rows: scored response pairs, labelled by a link on their normalised reward difference.

Source: SPO (arXiv 2512.21917), with shared responses, one reward scale a seed, and label noise that
is common to all shifts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from prefgrid import links, seeding
from prefgrid.files import store

# Below this spread of the reward differences, dividing by it would only blow up rounding.
SMALLEST_SD = 1.0e-8


def reward_scale(rewards_0: np.ndarray, rewards_1: np.ndarray) -> float:
    """1 / sd(r₁ − r₀) over a seed's whole pool (ddof 0, not centred); 1 if all are equal."""
    spread = float(np.std(rewards_1 - rewards_0))
    return 1.0 / spread if spread > SMALLEST_SD else 1.0


def rewards(scored: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """float64 [N] each: of the first and the second response of scored groups of two."""
    both = np.array([[one["reward"] for one in row["responses"]] for row in scored])
    return both[:, 0], both[:, 1]


def check_told_apart(scored: Sequence[Mapping[str, Any]]) -> None:
    """DataError if all rewards of groups of two are one number."""
    both = rewards(scored)
    if np.ptp(both) == 0:
        raise store.DataError(
            f"all {2 * len(scored)} rewards are {both[0][0]:g}, so no response is preferred; allowed: a "
            "judge that tells responses apart"
        )


def identical(group: Mapping[str, Any]) -> bool:
    """Whether both responses of a group of two are the same text.

    Their rewards differ by rounding at most, so their label is a coin toss; where their tokens are the
    same too, so are their log-probabilities, and a policy learns from the pair at most that.
    """
    first, second = group["responses"]
    return bool(first["text"] == second["text"])


def label(
    scored: Sequence[Mapping[str, Any]],
    n: int,
    shift: float,
    temperature: float,
    seed: int,
    *,
    drop_identical: bool = False,
) -> list[dict[str, Any]]:
    """The first n groups of two as pairs with z = [U < Ψ(u)], u = (r₁ − r₀)·reward_scale.

    The scale comes from all of `scored`, and a pair's uniform U from `seed` and its prompt, so that a
    pair's u and its z do not depend on n. z = 1 means that response 1 is preferred.
    drop_identical: leave out those of the n whose responses are `identical`; the others are labelled
    as with them. DataError if none is left.
    """
    if n > len(scored):
        raise ValueError(f"n = {n}, but only {len(scored)} scored pairs exist; allowed: 1 to that")
    rewards_0, rewards_1 = rewards(scored)
    scale = reward_scale(rewards_0, rewards_1)
    utility_diff = ((rewards_1 - rewards_0) * scale)[:n]
    keys = [(row["prompt_id"],) for row in scored[:n]]
    uniform = seeding.uniforms(seed, "labels", keys, width=1)[:, 0]
    preferred = (uniform < links.mixture(utility_diff, shift, temperature)).astype(int)
    labelled = [
        _row(row, int(z), float(u), scale)
        for row, z, u in zip(scored, preferred, utility_diff, strict=False)
        if not (drop_identical and identical(row))
    ]
    if not labelled:
        raise store.DataError(
            f"the two responses are the same in all of the first {n} pairs, so nothing is left to learn "
            "from; allowed: a higher temperature of sampling, more pairs, or to keep such pairs"
        )
    return labelled


def _row(group: Mapping[str, Any], z: int, utility_diff: float, scale: float) -> dict[str, Any]:
    first, second = group["responses"]
    return {
        "prompt": group["prompt"],
        "response_0": first["text"],
        "response_1": second["text"],
        "z": z,
        "reward_diff": utility_diff,
        "reward_scale": scale,
        "pair": group["group"],
        "prompt_id": group["prompt_id"],
        "prompt_tokens": group["prompt_tokens"],
        "tokens_0": first["tokens"],
        "tokens_1": second["tokens"],
        "reward_0": first["reward"],
        "reward_1": second["reward"],
        "finish_0": first["finish"],
        "finish_1": second["finish"],
    }


def groups(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pairs as groups of two, the other way round: {group, prompt_tokens, responses, target: z}."""
    return [
        {
            "group": row["pair"],
            "prompt_tokens": row["prompt_tokens"],
            "responses": [{"tokens": row[f"tokens_{k}"]} for k in range(2)],
            "target": float(row["z"]),
        }
        for row in rows
    ]
