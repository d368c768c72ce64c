"""Pairs of the dataset's completions, by their scores."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from prefgrid import seeding
from prefgrid.comparisons.base import Compared, Comparison, Sets, by_prompt
from prefgrid.data import instructions
from prefgrid.data.instructions import Completion

READS = "dataset"
CERTAIN = True
OPTIONS = {
    # pairs of a prompt, drawn from all with unequal scores; fewer are among more. null: all
    "pairs_per_prompt": (None, "integer > 0 or null"),
}


def read(files: Sequence[Path], options: Mapping[str, Any], data: Mapping[str, Any]) -> Sets:
    """All pairs of a prompt's completions whose scores differ; the margin is their difference."""
    found = instructions.read(files[0], data["dataset"], data["bad_row_share"])
    dropped: Counter[str] = Counter()
    rows = []
    for one in found.rows:
        scores = [completion.score for completion in one.completions]
        told = compared(
            one.prompt, one.completions, scores, options["pairs_per_prompt"], "", dropped
        )
        rows += told
    return by_prompt(rows, data["eval_share"], dropped=dict(dropped), bad_rows=found.skipped)


def compared(
    prompt: str,
    completions: Sequence[Completion],
    values: Sequence[float | None],
    most: int | None,
    section: str,
    dropped: Counter[str],
) -> list[Compared]:
    """The pairs of one prompt by a value of each completion, as a list of one row, or none.

    most: how many are drawn, None: all. A completion without a value, with a text that was there
    before, or as good as the other makes no pair, which `dropped` counts.
    """
    kept = list(told_apart(completions, values, dropped))
    pairs = []
    for i, j in combinations(range(len(kept)), 2):
        difference = kept[i][1] - kept[j][1]
        if difference == 0:
            dropped["equal values"] += 1
        else:
            first, second = (i, j) if difference > 0 else (j, i)
            pairs.append(Comparison(first, second, margin=abs(difference)))
    if most is not None and most < len(pairs):
        order = seeding.stream(0, "pairs of a prompt", prompt).permutation(len(pairs))
        pairs = [pairs[number] for number in sorted(order[:most])]
    texts = tuple(text for text, _ in kept)
    return [Compared(prompt, texts, tuple(pairs), section)] if pairs else []


def told_apart(
    completions: Sequence[Completion], values: Sequence[Any], dropped: Counter[str]
) -> Iterator[tuple[str, Any]]:
    """(text, value) of those that have a value and a text of their own."""
    seen = set()
    for completion, value in zip(completions, values, strict=True):
        if value is None:
            dropped["responses without a value"] += 1
        elif completion.response in seen:
            dropped["repeated responses"] += 1
        else:
            seen.add(completion.response)
            yield completion.response, value
