"""Held-out pairs: neighbouring samples of the reference, and their log-probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from prefgrid.data import groups
from prefgrid.logprobs.packing import Tokens
from prefgrid.logprobs.table import dataset_logps, looked_up_logps


@dataclass(frozen=True)
class HeldOutPairs:
    """The first K = 2·pairs samples of each of N prompts; samples 2i and 2i+1 are a pair.

    prompts, responses: token ids. rewards: float64 [N, K].
    """

    groups: list[int]
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

    def looked_up(self, frame: pd.DataFrame) -> Tensor:
        """logp_sums float32 [N, K] nats from a table made by `logprobs.table.logp_frame`.

        Raises ValueError where a response is missing or was scored with another number of tokens:
        the table then belongs to other samples.
        """
        return looked_up_logps(frame, self.groups, self.responses)


def held_out_pairs(samples: Sequence[Mapping[str, Any]], pairs_per_prompt: int) -> HeldOutPairs:
    """The held-out pairs among scored groups of the reference's samples, a group a prompt.

    ValueError if one of them has fewer than 2·pairs_per_prompt responses.
    """
    needed = 2 * pairs_per_prompt
    for row in samples:
        if len(row["responses"]) < needed:
            raise ValueError(
                f"prompt {row['prompt_id']}: {pairs_per_prompt} pairs need {needed} samples, "
                f"found {len(row['responses'])}"
            )
    prompts, responses = groups.tokens(samples, needed)
    return HeldOutPairs(
        [row["group"] for row in samples],
        [row["prompt_id"] for row in samples],
        prompts,
        responses,
        np.array([[one["reward"] for one in row["responses"][:needed]] for row in samples]),
    )
