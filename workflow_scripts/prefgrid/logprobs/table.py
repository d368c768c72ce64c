"""Log-probabilities of a whole data set: the cached reference table, and index refreshes."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from prefgrid.files import store
from prefgrid.logprobs.packing import Tokens, group_tokens
from prefgrid.logprobs.sequence import sequence_logps

if TYPE_CHECKING:
    import pandas

# Columns that name a response: its group, and its number there.
KEY_NAMES = ("pair", "response")


@torch.no_grad()
def dataset_logps(
    model: Any,
    prompt_tokens: Sequence[Tokens],
    response_tokens: Sequence[Sequence[Tokens]],
    *,
    pad_id: int,
    batch_size: int,
) -> tuple[Tensor, Tensor]:
    """`sequence_logps` of N groups without gradient or dropout, in batches of `batch_size` groups.

    Batches hold groups of similar size, largest first, and are fixed by the data and `batch_size`
    alone. Returns (logp_sums float32 [N, K] nats, lengths int64 [N, K]) in the given order, on the
    CPU, where they arrive in one transfer at the end. Logs progress about five times.
    """
    sizes = [
        group_tokens(prompt, responses)
        for prompt, responses in zip(prompt_tokens, response_tokens, strict=True)
    ]
    order = sorted(range(len(sizes)), key=lambda group: (-sizes[group], group))
    starts = range(0, len(order), batch_size)
    was_training = model.training
    model.eval()
    sums, lengths = [], []
    for number, start in enumerate(starts, start=1):
        batch = order[start : start + batch_size]
        batch_sums, batch_lengths = sequence_logps(
            model,
            [prompt_tokens[group] for group in batch],
            [response_tokens[group] for group in batch],
            pad_id=pad_id,
        )
        sums.append(batch_sums)
        lengths.append(batch_lengths)
        if number == len(starts) or number % max(1, len(starts) // 5) == 0:
            store.log(f"log-probabilities: {min(number * batch_size, len(order))}/{len(order)}")
    model.train(was_training)
    back = torch.tensor(order).argsort()
    return torch.cat(sums).cpu()[back], torch.cat(lengths).cpu()[back]


def logp_frame(
    keys: Sequence[Hashable],
    logp_sums: Tensor,
    lengths: Tensor,
    names: tuple[str, str] = KEY_NAMES,
) -> "pandas.DataFrame":
    """The table on disk: one row per response, columns `names`, logp_sum (nats), tokens.

    keys: one a group. names: of the columns with the group's key and the response's number.
    """
    import pandas

    responses = logp_sums.shape[1]
    return pandas.DataFrame(
        {
            names[0]: [key for key in keys for _ in range(responses)],
            names[1]: torch.arange(responses).repeat(len(keys)).numpy(),
            "logp_sum": logp_sums.flatten().numpy(),
            "tokens": lengths.flatten().numpy(),
        }
    )


def looked_up_logps(
    frame: "pandas.DataFrame",
    keys: Sequence[Hashable],
    response_tokens: Sequence[Sequence[Tokens]],
    names: tuple[str, str] = KEY_NAMES,
) -> Tensor:
    """Look up float32 [len(keys), K] nats in a table made by `logp_frame` with these `names`.

    Raises ValueError where a group is missing or was scored with another number of tokens: the
    table then belongs to other responses.
    """
    cells = {
        (key, response): (logp_sum, tokens)
        for key, response, logp_sum, tokens in zip(
            *(frame[name].tolist() for name in (*names, "logp_sum", "tokens")), strict=True
        )
    }
    table = []
    for key, responses in zip(keys, response_tokens, strict=True):
        row = []
        for response, tokens in enumerate(responses):
            logp_sum, scored = cells.get((key, response), (None, None))
            if scored != len(tokens):
                raise ValueError(
                    f"reference log-probabilities: {names[0]} {key}, {names[1]} {response} has "
                    f"{len(tokens)} tokens, the table holds "
                    f"{'no such row' if scored is None else f'{scored} tokens'}"
                )
            row.append(logp_sum)
        table.append(row)
    return torch.tensor(table, dtype=torch.float32)
