"""Comparisons of tales that run in circles, by the kind of their closing (see `ring`)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from prefgrid import seeding
from prefgrid.comparisons.base import Compared, Comparison, Sets, by_prompt
from prefgrid.tinyworld import corpus, language, ring

READS = "nothing"
OPTIONS = {
    # prompts of the tiny world's language, each with one group
    "groups": (2400, "integer in [20, 2880]"),
    # responses of a group; all pairs are compared
    "responses": (4, "integer in [2, 16]"),
    # drawn: who won, drawn by its probability; probabilities: as they are
    "labels": ("drawn", ["drawn", "probabilities"]),
    # of the prompts, the responses and the draws
    "seed": (0, "integer in [0, 2147483647]"),
}


def read(files: Sequence[Path], options: Mapping[str, Any], data: Mapping[str, Any]) -> Sets:
    """A row a group. Equal responses are drawn anew: they beat nobody."""
    return by_prompt(_groups(options), data["eval_share"])


def _groups(options: Mapping[str, Any]) -> Iterator[Compared]:
    seed, prompts = options["seed"], language.all_prompts()
    order = seeding.stream(seed, "closings prompts").permutation(len(prompts))
    for number in order[: options["groups"]]:
        prompt = prompts[number]
        random = seeding.stream(seed, "closings", prompt)
        responses = _different(random, prompt, options["responses"])
        logits = ring.logits(responses)
        edges = []
        for i, j in combinations(range(len(responses)), 2):
            probability = float(1.0 / (1.0 + np.exp(-logits[i, j])))
            if options["labels"] == "probabilities":
                edges.append(Comparison(i, j, probability))
            else:
                edges.append(
                    Comparison(i, j) if random.random() < probability else Comparison(j, i)
                )
        kinds = tuple(f"kind {ring.kind(response)}" for response in responses)
        yield Compared(prompt, tuple(responses), tuple(edges), kinds=kinds)


def _different(random: np.random.Generator, prompt: str, count: int) -> list[str]:
    """All by one writer, whose tales differ in their words alone."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[corpus.respond(random, prompt, corpus.DUTIFUL)] = None
    return list(found)
