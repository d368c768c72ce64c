"""Pairs and circles of the dataset's completions by the ratings of UltraFeedback's four aspects.

Source of the circles: Zhang et al., arXiv 2410.02197, the cyclic-preference experiment. Three
responses A, B, C are one if A beats B on the first of three aspects, B beats C on the second and C
beats A on the third. Judges are not told which aspect decided, so no score can order all three.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, permutations
from pathlib import Path
from typing import Any

from prefgrid.comparisons.base import Compared, Comparison, Sets, by_prompt
from prefgrid.comparisons.scores import compared, told_apart
from prefgrid.data import instructions
from prefgrid.files import store

READS = "dataset"
CERTAIN = True
# In the order in which circles run.
ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")
OPTIONS = {
    # which one compares; of circles the one that is left out
    "aspect": (
        "helpfulness",
        ["instruction_following", "honesty", "truthfulness", "helpfulness"],
    ),
    # true: triples that run in a circle through the three other aspects; false: pairs by this one
    "circles": (False, [False, True]),
    # the most of a prompt; null: all. The published experiment takes the first triple of each
    "circles_per_prompt": (1, "integer > 0 or null"),
    # as `pairs_per_prompt` of scores
    "pairs_per_prompt": (None, "integer > 0 or null"),
}

READ_WITH = {"circles_per_prompt": ("circles", True), "pairs_per_prompt": ("circles", False)}


def read(files: Sequence[Path], options: Mapping[str, Any], data: Mapping[str, Any]) -> Sets:
    """Rows of pairs, all of a prompt in one, or of circles, each of three responses; DataError if the
    dataset has no ratings."""
    found = instructions.read(files[0], data["dataset"], data["bad_row_share"])
    if not any(one.ratings for row in found.rows for one in row.completions):
        raise store.DataError(
            f"{files[0]}: no completion has a rating of {', '.join(ASPECTS)}; allowed: a dataset whose "
            "annotators rated aspects, as UltraFeedback's did"
        )
    dropped: Counter[str] = Counter()
    aspect, rows = options["aspect"], []
    for one in found.rows:
        if options["circles"]:
            around = [name for name in ASPECTS if name != aspect]
            ratings = [_all_of(completion.ratings, around) for completion in one.completions]
            kept = list(told_apart(one.completions, ratings, dropped))
            circles = islice(_circles(one.prompt, kept), options["circles_per_prompt"])
            rows += list(circles) or _none(dropped)
        else:
            ratings = [completion.ratings.get(aspect) for completion in one.completions]
            most = options["pairs_per_prompt"]
            rows += compared(one.prompt, one.completions, ratings, most, aspect, dropped)
    return by_prompt(rows, data["eval_share"], dropped=dict(dropped), bad_rows=found.skipped)


def _all_of(ratings: Mapping[str, float], names: Sequence[str]) -> tuple[float, ...] | None:
    return tuple(ratings[name] for name in names) if ratings.keys() >= set(names) else None


def _none(dropped: Counter[str]) -> list[Compared]:
    dropped["prompts without a circle"] += 1
    return []


def _circles(prompt: str, kept: Sequence[tuple[str, tuple[float, ...]]]) -> Iterator[Compared]:
    """In the order of the permutations; one that another's turn would repeat comes once."""
    seen = set()
    for numbers in permutations(range(len(kept)), 3):
        (_, a), (_, b), (_, c) = (kept[number] for number in numbers)
        turned = numbers.index(min(numbers))
        circle = numbers[turned:] + numbers[:turned]
        if a[0] > b[0] and b[1] > c[1] and c[2] > a[2] and circle not in seen:
            seen.add(circle)
            edges = ((0, 1, a[0] - b[0]), (1, 2, b[1] - c[1]), (2, 0, c[2] - a[2]))
            yield Compared(
                prompt,
                tuple(kept[number][0] for number in numbers),
                tuple(Comparison(i, j, margin=margin) for i, j, margin in edges),
            )
