"""Are our scores those of the reward model's own forward?

A judge reads hidden states in rows of its own and applies the score layer itself. A family that reads
another token, or does more behind its decoder, is found by comparing dialogues with `model(…).logits`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from prefgrid.models import attention, rounding

INERT = True

# What judges read in two ways when their model is loaded: prompts, and tokens that suffice for them.
CHECKED_PROMPTS = ("What is 2 + 2?", "Is it?")
CHECKED_TOKENS = 64


def check_scores(
    model: Any, rows: Sequence[Mapping[str, Sequence[int]]], scores: Sequence[float]
) -> None:
    """`check_values` of `scores`, computed together, and `own_scores` of the `rows`."""
    check_values(model, scores, own_scores(model, rows))


def check_values(model: Any, ours: Sequence[float], own: Sequence[float]) -> None:
    """ValueError unless what we read of `model` is what its own forward gives. Values may differ by the
    share `rounding.share` of their size, or of 1 where that is more."""
    share = rounding.share(model)
    for read, theirs in zip(ours, own, strict=True):
        # What is not finite on both sides is for the user of the scores to report.
        if read == theirs or (math.isnan(read) and math.isnan(theirs)):
            continue
        if not abs(read - theirs) <= share * max(1.0, abs(theirs)):
            raise ValueError(
                f"our score of a dialogue under this {model.config.model_type} is {read:.6g}, its "
                f"own forward gives {theirs:.6g}; they may differ by {share:g} of it. The model does "
                "something that prefgrid does not know of: its rewards would be those of another "
                "model. Choose another model"
            )


@torch.no_grad()
def own_scores(model: Any, rows: Sequence[Mapping[str, Sequence[int]]]) -> list[float]:
    """What `model`, in evaluation mode, gives for each of the `rows` alone, with the attention that its own
    code spells out. A row: input_ids, and what else the model reads."""
    with attention.eager(model):
        return [_own_score(model, row) for row in rows]


def _own_score(model: Any, row: Mapping[str, Sequence[int]]) -> float:
    inputs = {name: torch.tensor([values], device=model.device) for name, values in row.items()}
    mask = torch.ones_like(inputs["input_ids"])
    return model(**{"attention_mask": mask, **inputs}).logits[0, 0].item()
