"""Index calibration on held-out pairs: what the learned link says and what the true one says."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from prefgrid import links
from prefgrid.logprobs.table import dataset_logps


def held_out_indices(
    model: Any,
    samples: pd.DataFrame,
    prompt_tokens: Mapping[str, Sequence[int]],
    *,
    pairs_per_prompt: int,
    reward_scale: float,
    link: Mapping[str, Any],
    link_shift: float,
    link_temperature: float,
    pad_id: int,
    batch_size: int,
) -> pd.DataFrame:
    """Indices and link probabilities of pairs (2i, 2i+1) of reference samples of each prompt.

    model: peft model, adapter = policy, base = reference. samples: the reference samples
    (`prompt_id, sample, reward, tokens`). link: the policy's link.json: ζ (`sign`), and ψ̂ on an
    increasing index grid, interpolated linearly and constant beyond its ends; a `probability` of
    None means that the objective has no link. reward_scale turns a reward difference into the
    normalised utility u that labelled the training pairs.
    Columns: prompt_id, index_nats (ζ·t with t = a₁ − a₀: the evaluated policy's index, which is
    scanned with weight ζ/β), utility_diff (u), link_probability (ψ̂(t): the link was learned on the
    unsigned index; NaN without a link), true_probability (Ψ(u)); the first `pairs_per_prompt` pairs
    of every prompt, prompts in order of appearance. Raises ValueError if a prompt has fewer samples.
    """
    grid = np.asarray(link["index_nats"], dtype=np.float64)
    if not (np.diff(grid) > 0).all():
        raise ValueError("link: index_nats must be increasing")
    needed = 2 * pairs_per_prompt
    chosen = samples[samples["sample"] < needed].sort_values("sample", kind="stable")
    prompt_ids, tokens, rewards = [], [], []
    for prompt_id in samples["prompt_id"].unique():
        group = chosen[chosen["prompt_id"] == prompt_id]
        if group["sample"].tolist() != list(range(needed)):
            raise ValueError(
                f"prompt {prompt_id}: {pairs_per_prompt} pairs need samples 0 to {needed - 1}, "
                f"found {group['sample'].tolist()}"
            )
        prompt_ids.append(prompt_id)
        tokens.append([list(map(int, row)) for row in group["tokens"]])
        rewards.append(group["reward"].to_numpy(dtype=np.float64))

    prompts = [prompt_tokens[prompt_id] for prompt_id in prompt_ids]
    arguments = {"pad_id": pad_id, "batch_size": batch_size}
    policy, _ = dataset_logps(model, prompts, tokens, **arguments)
    with model.disable_adapter():
        reference, _ = dataset_logps(model, prompts, tokens, **arguments)
    index = _second_minus_first((policy - reference).double().numpy())
    utility_diff = _second_minus_first(np.stack(rewards)) * reward_scale
    return pd.DataFrame(
        {
            "prompt_id": np.repeat(prompt_ids, pairs_per_prompt),
            "index_nats": link["sign"] * index,
            "utility_diff": utility_diff,
            "link_probability": _learned(index, grid, link["probability"]),
            "true_probability": links.mixture(utility_diff, link_shift, link_temperature),
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
