"""Rows of a comparisons file as a preference model learns from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from prefgrid.judges.dialogues import render_groups
from prefgrid.objectives.preference_losses import LARGEST_WANTED_LOGIT, WANTED_LOGIT


@dataclass(frozen=True)
class Comparison:
    """Response `better` is preferred to `worse` (numbers within a group), or no less liked: target is what
    `preference_losses.LOSSES` says. margin: subtracted from their s."""

    better: int
    worse: int
    target: float
    margin: float = 0.0


@dataclass(frozen=True)
class ComparedGroup:
    """A prompt's tokens, those of its responses to their end tokens, and what is known of them."""

    prompt_tokens: Sequence[int]
    responses: Sequence[Sequence[int]]
    comparisons: Sequence[Comparison]


def compared_groups(
    rows: Sequence[Mapping[str, Any]],
    tokenizer: Any,
    *,
    prompt_format: str,
    max_prompt_tokens: int,
    max_tokens: int,
    loss: str,
    margin: bool,
) -> tuple[list[ComparedGroup], dict[str, int]]:
    """Groups of rows of a comparisons file, and counts: prompts cut at their start to `max_prompt_tokens`; rows
    left out for a dialogue beyond `max_tokens`, or because no comparison prefers a response.

    Dialogues are those of the judge `embedding`. ValueError for a row without prompt tokens or, with
    `margin`, without margins.
    """
    rendered, cut_prompts = render_groups(
        tokenizer,
        [row["prompt"] for row in rows],
        [[response["text"] for response in row["responses"]] for row in rows],
        prompt_format=prompt_format,
        max_prompt_tokens=max_prompt_tokens,
        max_tokens=max_tokens,
    )
    groups = []
    counts = {"prompts_cut": cut_prompts, "too_long": 0, "undecided": 0}
    for number, (row, dialogues) in enumerate(zip(rows, rendered, strict=True)):
        comparisons = _comparisons(number, row["comparisons"], loss, margin)
        if dialogues is None:
            counts["too_long"] += 1
        elif not comparisons:
            counts["undecided"] += 1
        elif not dialogues[0]:
            raise ValueError(
                f"row {number}: the prompt has no token to read; allowed: prompts that are not empty"
            )
        else:
            groups.append(ComparedGroup(*dialogues, comparisons))
    return groups, counts


def _comparisons(
    row: int, found: Sequence[Mapping[str, Any]], loss: str, margin: bool
) -> list[Comparison]:
    """Each with the likelier response as the better; without ties, but for a loss of probabilities."""
    comparisons = []
    for one in found:
        places, probability = (one["first"], one["second"]), one["probability"]
        if probability < 0.5:
            places, probability = places[::-1], 1 - probability
        if loss != "soft_ce" and probability == 0.5:
            continue
        if margin and one.get("margin") is None:
            raise ValueError(
                f"row {row}: margin is true, but the comparison of {one['first']} with "
                f"{one['second']} has no margin; allowed: margin: false, or data with margins"
            )
        distance = abs(one["margin"]) if margin else None
        if loss == "soft_ce":
            comparisons.append(Comparison(*places, probability))
        elif loss == "ce":
            comparisons.append(Comparison(*places, 1.0, distance or 0.0))
        elif distance is None:
            comparisons.append(Comparison(*places, WANTED_LOGIT))
        else:
            wanted = LARGEST_WANTED_LOGIT * torch.tensor(distance).sigmoid().item()
            comparisons.append(Comparison(*places, wanted))
    return comparisons
