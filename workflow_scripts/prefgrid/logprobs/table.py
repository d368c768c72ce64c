"""Log-probabilities of a whole data set: the cached reference table, and index refreshes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from prefgrid.files import store
from prefgrid.logprobs.packing import Tokens, group_tokens
from prefgrid.logprobs.ragged import as_table
from prefgrid.logprobs.sequence import sequence_logps
from prefgrid.models.dropout import without_dropout

if TYPE_CHECKING:
    import pandas


@torch.no_grad()
def dataset_logps(
    model: Any,
    prompt_tokens: Sequence[Tokens],
    response_tokens: Sequence[Sequence[Tokens]],
    *,
    pad_id: int,
    batch_size: int,
    width: int | None = None,
) -> tuple[Tensor, Tensor]:
    """`sequence_logps` of N groups without gradient or dropout, in batches of `batch_size` groups.

    Batches hold groups of similar size, largest first, and are fixed by the data and `batch_size`
    alone. Returns (logp_sums float32 [N, K] nats, lengths int64 [N, K]) in the given order, on the
    CPU, where they arrive in one transfer at the end; K as there. Logs its progress where it takes long.
    """
    width = max(map(len, response_tokens)) if width is None else width
    sizes = [
        group_tokens(prompt, responses)
        for prompt, responses in zip(prompt_tokens, response_tokens, strict=True)
    ]
    order = sorted(range(len(sizes)), key=lambda group: (-sizes[group], group))
    sums, lengths, progress = [], [], store.Progress()
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        with without_dropout(model):
            batch_sums, batch_lengths = sequence_logps(
                model,
                [prompt_tokens[group] for group in batch],
                [response_tokens[group] for group in batch],
                pad_id=pad_id,
                width=width,
            )
        sums.append(batch_sums)
        lengths.append(batch_lengths)
        progress.say(f"log-probabilities: {start + len(batch)}/{len(order)}")
    back = torch.tensor(order).argsort()
    return torch.cat(sums).cpu()[back], torch.cat(lengths).cpu()[back]


def logp_frame(keys: Sequence[int], logp_sums: Tensor, lengths: Tensor) -> "pandas.DataFrame":
    """The table on disk: one row per response, columns group, response, logp_sum (nats), tokens.

    keys: of the groups. logp_sums, lengths: [G, K], length 0 where a group has fewer responses.
    """
    import pandas

    present = lengths > 0
    group, response = present.nonzero(as_tuple=True)
    return pandas.DataFrame(
        {
            "group": [keys[row] for row in group.tolist()],
            "response": response.numpy(),
            "logp_sum": logp_sums[present].numpy(),
            "tokens": lengths[present].numpy(),
        }
    )


def looked_up_logps(
    frame: "pandas.DataFrame", keys: Sequence[int], response_tokens: Sequence[Sequence[Tokens]]
) -> Tensor:
    """Look up float32 [len(keys), K] nats in a table made by `logp_frame`.

    K is the most responses of a group; a group of fewer has zeros behind them. Raises ValueError where
    a group is missing or was scored with another number of tokens: the table then belongs to other
    responses.
    """
    cells = {
        (key, response): (logp_sum, tokens)
        for key, response, logp_sum, tokens in zip(
            *(frame[name].tolist() for name in ("group", "response", "logp_sum", "tokens")),
            strict=True,
        )
    }
    found = []
    for key, responses in zip(keys, response_tokens, strict=True):
        for response, tokens in enumerate(responses):
            logp_sum, scored = cells.get((key, response), (None, None))
            if scored != len(tokens):
                raise ValueError(
                    f"reference log-probabilities: group {key}, response {response} has "
                    f"{len(tokens)} tokens, the table holds "
                    f"{'no such row' if scored is None else f'{scored} tokens'}"
                )
            found.append(logp_sum)
    counts = torch.tensor([len(responses) for responses in response_tokens])
    return as_table(torch.tensor(found, dtype=torch.float32), counts)
