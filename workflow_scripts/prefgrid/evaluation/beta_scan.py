"""The β scan: rewards and KL of one trained policy at every β, from one batched decode."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from prefgrid import chat
from prefgrid.evaluation.noise import evaluation_uniforms
from prefgrid.files import store
from prefgrid.judges.base import Judge, judged_rewards
from prefgrid.sampling.mixed import sample_mixed
from prefgrid.sampling.request import DecodingOptions


def scan(
    model: torch.nn.Module,
    tokenizer: Any,
    judge: Judge,
    prompts: Sequence[dict[str, str]],
    *,
    betas: Sequence[float],
    samples: int,
    sign: int,
    seed: int,
    prompt_format: str,
    options: DecodingOptions,
    reference: torch.nn.Module | None = None,
) -> pd.DataFrame:
    """Per-sample table of one policy: `samples` responses a prompt at each β, scored.

    model, reference: as in `sample_mixed`. prompts: rows with
    `prompt_id` and `prompt`. sign: ζ, the policy's direction; the mixing weight is ζ/β. The noise
    of a response depends on (seed, prompt_id, sample) alone (`noise`), so it is common to all β, to
    all policies evaluated with this seed, and to the reference samples.
    Columns: beta, prompt_id, sample, reward, kl_nats, kl_sample_nats, length_tokens (EOS
    included), finish ("stop" or "length"), response; rows ordered by β, prompt, sample.
    """
    for beta in betas:
        if not beta > 0:
            raise ValueError(f"beta {beta}: must be > 0 (infinity is the reference)")
    if sign not in (1, -1):
        raise ValueError(f"sign {sign}: must be 1 or -1")
    prompt_ids = [row["prompt_id"] for row in prompts]
    decoded = sample_mixed(
        model,
        [chat.render_prompt(tokenizer, row["prompt"], prompt_format) for row in prompts],
        evaluation_uniforms(seed, prompt_ids, samples, options.max_new_tokens),
        [sign / beta for beta in betas],
        options,
        reference,
    )
    by_beta = np.arange(len(decoded)).reshape(len(prompts), len(betas), samples)
    decoded = [decoded[row] for row in by_beta.swapaxes(0, 1).ravel()]
    responses = [chat.decode_response(tokenizer, row.response.said) for row in decoded]
    rewards = _rewards(judge, [prompts[row.prompt]["prompt"] for row in decoded], responses)
    return pd.DataFrame(
        {
            "beta": np.repeat(np.asarray(betas, dtype=np.float64), len(prompts) * samples),
            "prompt_id": [prompts[row.prompt]["prompt_id"] for row in decoded],
            "sample": [row.sample for row in decoded],
            "reward": rewards,
            "kl_nats": np.array([row.kl_nats for row in decoded], dtype=np.float32),
            "kl_sample_nats": np.array([row.kl_sample_nats for row in decoded], dtype=np.float32),
            "length_tokens": [len(row.response.tokens) for row in decoded],
            "finish": [row.response.finish for row in decoded],
            "response": responses,
        }
    )


def _rewards(judge: Judge, prompts: list[str], responses: list[str]) -> np.ndarray:
    """Judge each different pair once: with common random numbers large β repeat each other."""
    pairs = list(zip(prompts, responses, strict=True))
    distinct = {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
    store.log(f"{len(distinct)} different of {len(pairs)} responses to score")
    found = judged_rewards(judge, *map(list, zip(*distinct, strict=True)))
    return found[[distinct[pair] for pair in pairs]]


def summarize(samples: pd.DataFrame, labels: dict[str, Any]) -> pd.DataFrame:
    """One row per β from `scan`'s table: `labels`, the same in every row, then what was measured.

    Means are over prompts after averaging the samples of a prompt; a standard error is
    sd / √prompts of those per-prompt means (ddof 1), missing for a single prompt. `kl_div` is the
    mean exact per-token KL in nats per sequence.
    """
    measures = ["reward", "kl_nats", "kl_sample_nats", "length_tokens"]
    table = samples[measures].astype(np.float64)
    table = table.assign(truncated=samples["finish"].eq("length").astype(np.float64))
    per_prompt = table.groupby([samples["beta"], samples["prompt_id"]], sort=False).mean()
    by_beta = per_prompt.groupby("beta", sort=False)
    mean, error = by_beta.mean(), by_beta.sem(ddof=1)
    columns = labels | {
        "beta": mean.index,
        "avg_reward": mean["reward"].to_numpy(),
        "kl_div": mean["kl_nats"].to_numpy(),
        "reward_se": error["reward"].to_numpy(),
        "kl_se": error["kl_nats"].to_numpy(),
        "kl_sample": mean["kl_sample_nats"].to_numpy(),
        "kl_sample_se": error["kl_sample_nats"].to_numpy(),
        "mean_length": mean["length_tokens"].to_numpy(),
        "truncated_share": mean["truncated"].to_numpy(),
        "prompts": by_beta.size().to_numpy(),
    }
    return pd.DataFrame(columns)
