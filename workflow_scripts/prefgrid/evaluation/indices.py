"""Index calibration on held-out pairs: what the learned link says and what the true one says."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from prefgrid import links
from prefgrid.evaluation.held_out import HeldOutPairs


def held_out_indices(
    pairs: HeldOutPairs,
    policy: Tensor,
    reference: Tensor,
    *,
    reward_scale: float,
    link: Mapping[str, Any],
    truth: Mapping[str, float] | None,
) -> pd.DataFrame:
    """Indices and link probabilities of held-out pairs: of 2i and 2i+1, the second − the first.

    policy, reference: log-probabilities of the samples, float32 [prompts, 2·pairs] nats. link: the
    policy's link.json: ζ (`sign`), and ψ̂ on an increasing index grid, interpolated linearly and
    constant beyond its ends; a `probability` of None means that the objective has no link.
    reward_scale turns a reward difference into the normalised utility u that labelled the training
    pairs.
    Columns: prompt_id, index_nats (ζ·t with t = a₁ − a₀: the evaluated policy's index, which is
    scanned with weight ζ/β), utility_diff (u), link_probability (ψ̂(t): the link was learned on the
    unsigned index; NaN without a link), true_probability (Ψ(u) of the `truth` {shift, temperature};
    NaN where nothing is known of it); rows by prompt, then pair.
    """
    grid = np.asarray(link["index_nats"], dtype=np.float64)
    if not (np.diff(grid) > 0).all():
        raise ValueError("link: index_nats must be increasing")
    index = _second_minus_first((policy - reference).double().numpy())
    utility_diff = _second_minus_first(pairs.rewards) * reward_scale
    return pd.DataFrame(
        {
            "prompt_id": np.repeat(pairs.prompt_ids, pairs.rewards.shape[1] // 2),
            "index_nats": link["sign"] * index,
            "utility_diff": utility_diff,
            "link_probability": _learned(index, grid, link["probability"]),
            "true_probability": np.full_like(utility_diff, np.nan)
            if truth is None
            else links.mixture(utility_diff, truth["shift"], truth["temperature"]),
        }
    )


def _learned(
    index: np.ndarray, grid: np.ndarray, probability: Sequence[float] | None
) -> np.ndarray:
    """ψ̂ at `index` [N] from its values on `grid`, NaN where there is no ψ̂."""
    if probability is None:
        return np.full_like(index, np.nan)
    return np.interp(index, grid, np.asarray(probability))


def _second_minus_first(values: np.ndarray) -> np.ndarray:
    """[prompts, 2·pairs] → [prompts·pairs]: of neighbours 2i and 2i+1, the second − the first."""
    return (values[:, 1::2] - values[:, 0::2]).ravel()
