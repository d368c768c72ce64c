"""Preference rows: scored response pairs, labelled by a link on their normalised reward difference.

Source: SPO (arXiv 2512.21917), with shared responses, one reward scale a seed, and label noise that
is common to all shifts.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from prefgrid import links

# Below this spread of the reward differences, dividing by it would only blow up rounding.
SMALLEST_SD = 1.0e-8

FIELDS = ("prompt", "response_0", "response_1", "z", "reward_diff", "reward_scale")
CARRIED = (
    "pair",
    "prompt_id",
    "prompt_tokens",
    "tokens_0",
    "tokens_1",
    "reward_0",
    "reward_1",
    "finish_0",
    "finish_1",
)


def reward_scale(rewards_0: np.ndarray, rewards_1: np.ndarray) -> float:
    """1 / sd(r₁ − r₀) over a seed's whole pool (ddof 0, not centred); 1 if all are equal."""
    spread = float(np.std(rewards_1 - rewards_0))
    return 1.0 / spread if spread > SMALLEST_SD else 1.0


def label(
    scored: list[dict[str, Any]], n: int, shift: float, temperature: float
) -> list[dict[str, Any]]:
    """The first n rows with their label z = [U < Ψ(u)], u = (r₁ − r₀)·reward_scale.

    The scale comes from all of `scored`, so that a pair's u, and with the same uniform U its
    label, do not depend on n. z = 1 means response 1 is preferred.
    """
    if n > len(scored):
        raise ValueError(f"n = {n}, but only {len(scored)} scored pairs exist; allowed: 1 to that")
    rewards_0 = np.array([row["reward_0"] for row in scored])
    rewards_1 = np.array([row["reward_1"] for row in scored])
    scale = reward_scale(rewards_0, rewards_1)
    utility_diff = ((rewards_1 - rewards_0) * scale)[:n]
    uniform = np.array([row["uniform"] for row in scored[:n]])
    labels = (uniform < links.mixture(utility_diff, shift, temperature)).astype(int)
    return [
        {
            "prompt": row["prompt"],
            "response_0": row["response_0"],
            "response_1": row["response_1"],
            "z": int(z),
            "reward_diff": float(u),
            "reward_scale": scale,
            **{field: row[field] for field in CARRIED},
        }
        for row, z, u in zip(scored, labels, utility_diff, strict=False)
    ]


def to_chosen_rejected(rows: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """Preference rows in TRL's explicit-prompt format: prompt, chosen, rejected."""
    return [
        {
            "prompt": row["prompt"],
            "chosen": row["response_1"] if row["z"] else row["response_0"],
            "rejected": row["response_0"] if row["z"] else row["response_1"],
        }
        for row in rows
    ]
