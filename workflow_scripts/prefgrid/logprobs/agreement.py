"""Are our log-probabilities those of the model's own forward?

We leave the last layers to code of our own and choose rows, masks and attention. A family whose forward
does something that we do not know of (a scale, a bound, a bias of the scores) would be computed as
another model without a word. One row compared with `model(…).logits` finds that for any family.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prefgrid.logprobs.head import float32_output_layer
from prefgrid.logprobs.packing import Tokens
from prefgrid.logprobs.sequence import response_logps
from prefgrid.models import attention, rounding
from prefgrid.models.dropout import without_dropout

INERT = True

# Of a row only so many tokens are compared: a check at every load must cost next to nothing.
CHECKED_TOKENS = 8
# Share of a log-probability, or of a nat where that is more, by which two ways to compute it from the same
# hidden states may differ, whatever their dtype: what follows is float32. (2e-7 in those models of
# `rounding`.)
SAME_STATES = 1e-4


@torch.no_grad()
def check_log_probs(model: Any, tokens: Tokens, pad_id: int) -> None:
    """ValueError if our log-probabilities of a row's tokens are not those of `model(…).logits`.

    tokens: at least two ids; the first `CHECKED_TOKENS` count. `model` is a causal model or a peft wrapper
    of one. Compared are the row by itself, behind the very same hidden states, and parts of it as a batch,
    against the attention that the model's own code spells out.
    """
    row = list(tokens[:CHECKED_TOKENS])
    with without_dropout(model):
        ours, _ = response_logps(model, [row[:1]], [[row[1:]]], pad_id=pad_id)
        _compare(model, "a row", ours, own_logps(model, row).sum()[None], SAME_STATES)
        with attention.eager(model):
            own = own_logps(model, row)
        # Two responses of different lengths each: a prompt can be shared, and rows need padding.
        cuts = sorted({1, (len(row) + 1) // 2})
        responses = [[row[cut : cut + 1], row[cut:]] for cut in cuts]
        ours, _ = response_logps(model, [row[:cut] for cut in cuts], responses, pad_id=pad_id)
        expected = [part for cut in cuts for part in (own[cut - 1], own[cut - 1 :].sum())]
        _compare(model, "rows of a batch", ours, torch.stack(expected), rounding.share(model))


def own_logits(model: Any, row: Sequence[int]) -> Tensor:
    """float32 [len(row), V]: the model's own forward of one row, without cache, padding, neighbours;
    gradients flow.

    The output layer alone is float32, as in every job, so that its rounding is not compared.
    """
    with float32_output_layer(model):
        ids = torch.tensor([row], device=model.device)
        return model(input_ids=ids, use_cache=False).logits[0].float()


def own_logps(model: Any, row: Sequence[int]) -> Tensor:
    """float32 [len(row) − 1] nats, of each token but the first, by `own_logits`."""
    targets = torch.tensor(row[1:], device=model.device)
    return own_logits(model, row[:-1]).log_softmax(-1).gather(1, targets[:, None])[:, 0]


def _compare(model: Any, what: str, ours: Tensor, own: Tensor, share: float) -> None:
    # What is not finite on both sides is for the user of the figures to report.
    alike = (ours == own) | (ours.isnan() & own.isnan())
    error = ((ours - own).abs() / own.abs().clamp(min=1)).masked_fill(alike, 0)
    worst = int(error.nan_to_num(nan=torch.inf).argmax())
    if not error[worst] <= share:
        raise ValueError(
            f"our log-probability of {what} under this {model.config.model_type} is "
            f"{ours[worst]:.6g} nats, its own forward gives {own[worst]:.6g}; they may differ by "
            f"{share:g} of it. The model does something that prefgrid does not know of: its "
            "log-probabilities would be those of another model. Choose another model"
        )
