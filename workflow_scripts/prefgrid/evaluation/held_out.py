"""Held-out pairs: neighbouring samples of the reference, and their log-probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from prefgrid.logprobs.packing import Tokens
from prefgrid.logprobs.table import dataset_logps, logp_frame, looked_up_logps

KEY_NAMES = ("prompt_id", "sample")


@dataclass(frozen=True)
class HeldOutPairs:
    """The first K = 2·pairs samples of each of N prompts; samples 2i and 2i+1 are a pair.

    prompts, responses: token ids. rewards: float64 [N, K].
    """

    prompt_ids: list[str]
    prompts: list[Tokens]
    responses: list[list[Tokens]]
    rewards: np.ndarray

    def logps(self, model: Any, *, pad_id: int, batch_size: int) -> tuple[Tensor, Tensor]:
        """(logp_sums float32 [N, K] nats, lengths int64 [N, K] tokens) under `model` as it stands.

        The one way to both sides of an index. It is a small difference of large sums, so both must
        be rounded alike: in the same batches, with weights of one precision, on one kind of device.
        A bare reference then has, to the bit, the sums of a policy with its adapter off.
        """
        return dataset_logps(
            model, self.prompts, self.responses, pad_id=pad_id, batch_size=batch_size
        )

    def logp_frame(self, logp_sums: Tensor, lengths: Tensor) -> pd.DataFrame:
        """`logps` as on disk: one row a response, prompt_id, sample, logp_sum (nats), tokens."""
        return logp_frame(self.prompt_ids, logp_sums, lengths, KEY_NAMES)

    def looked_up(self, frame: pd.DataFrame) -> Tensor:
        """logp_sums float32 [N, K] nats from a table made by `logp_frame`.

        Raises ValueError where a response is missing or was scored with another number of tokens:
        the table then belongs to other samples.
        """
        return looked_up_logps(frame, self.prompt_ids, self.responses, KEY_NAMES)


def held_out_pairs(
    samples: pd.DataFrame, prompt_tokens: Mapping[str, Tokens], pairs_per_prompt: int
) -> HeldOutPairs:
    """The held-out pairs among reference samples (`prompt_id, sample, reward, tokens`).

    prompt_tokens: by prompt_id. Prompts in order of appearance. Raises ValueError if one of them
    has fewer than 2·pairs_per_prompt samples.
    """
    needed = 2 * pairs_per_prompt
    chosen = samples[samples["sample"] < needed].sort_values("sample", kind="stable")
    prompt_ids = samples["prompt_id"].unique().tolist()
    responses, rewards = [], []
    for prompt_id in prompt_ids:
        group = chosen[chosen["prompt_id"] == prompt_id]
        if group["sample"].tolist() != list(range(needed)):
            raise ValueError(
                f"prompt {prompt_id}: {pairs_per_prompt} pairs need samples 0 to {needed - 1}, "
                f"found {group['sample'].tolist()}"
            )
        responses.append([list(map(int, row)) for row in group["tokens"]])
        rewards.append(group["reward"].to_numpy(dtype=np.float64))
    prompts = [prompt_tokens[prompt_id] for prompt_id in prompt_ids]
    return HeldOutPairs(prompt_ids, prompts, responses, np.stack(rewards))
