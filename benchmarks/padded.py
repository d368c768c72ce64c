"""The forward that packing is compared with: one padded row a response, response-only logits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from prefgrid.logprobs.packing import Tokens
from prefgrid.logprobs.ragged import as_table

# Logits that exist at a time, outside of autograd's memory, are this many rows.
LOGIT_ROWS = 1024


def padded_logps(
    model: Any,
    prompt_tokens: Sequence[Tokens],
    response_tokens: Sequence[Sequence[Tokens]],
    *,
    pad_id: int,
    width: int | None = None,
) -> tuple[Tensor, Tensor]:
    """As `prefgrid.logprobs.sequence.sequence_logps`: ([G, K] nats, lengths [G, K])."""
    rows = [
        (prompt, response)
        for prompt, responses in zip(prompt_tokens, response_tokens, strict=True)
        for response in responses
    ]
    ids = [torch.tensor([*prompt, *response]) for prompt, response in rows]
    input_ids = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=pad_id)
    input_ids = input_ids.to(model.device)
    lengths = torch.tensor([len(response) for _, response in rows], device=model.device)
    starts = torch.tensor([len(prompt) for prompt, _ in rows], device=model.device)
    columns = torch.arange(input_ids.shape[1] - 1, device=model.device) + 1
    scored = (columns >= starts[:, None]) & (columns < (starts + lengths)[:, None])

    states = model.get_decoder()(input_ids=input_ids, use_cache=False).last_hidden_state
    hidden, targets = states[:, :-1][scored], input_ids[:, 1:][scored]
    weight = model.get_output_embeddings().weight.float()
    parts = [
        -F.cross_entropy(F.linear(h.float(), weight), y, reduction="none")
        for h, y in zip(hidden.split(LOGIT_ROWS), targets.split(LOGIT_ROWS), strict=True)
    ]
    token_logps = torch.zeros(scored.shape, device=model.device)
    sums = token_logps.masked_scatter(scored, torch.cat(parts)).sum(1)
    counts = torch.tensor([len(responses) for responses in response_tokens])
    return as_table(sums, counts, width), as_table(lengths, counts, width)


@contextmanager
def padded_forward() -> Iterator[None]:
    """Within, training and reference tables are computed by `padded_logps`."""
    with (
        patch("prefgrid.training.step.sequence_logps", padded_logps),
        patch("prefgrid.logprobs.table.sequence_logps", padded_logps),
    ):
        yield
