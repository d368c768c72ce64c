"""RewardBench (Lambert et al., arXiv 2403.13787; allenai/reward-bench, split `filtered`).

The sections and weights are those of the official code (allenai/reward-bench,
rewardbench/constants.py): a section's score is the mean of its subsets' accuracies, each weighted by
its number of rows, but for `math-prm`, whose 447 rows weigh as much as the six of code together. The
score of a judge is the plain mean of the four sections.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefgrid.comparisons import rows
from prefgrid.comparisons.base import Compared, Sets, benchmark

READS = "source"
CERTAIN = True
TRAINS = False
FIELDS = ("prompt", "chosen", "rejected", "subset")
OPTIONS: dict[str, Any] = {}
# Section → subset → its weight.
SECTIONS = {
    "Chat": {
        "alpacaeval-easy": 100,
        "alpacaeval-length": 95,
        "alpacaeval-hard": 95,
        "mt-bench-easy": 28,
        "mt-bench-med": 40,
    },
    "Chat Hard": {
        "mt-bench-hard": 37,
        "llmbar-natural": 100,
        "llmbar-adver-neighbor": 134,
        "llmbar-adver-GPTInst": 92,
        "llmbar-adver-GPTOut": 47,
        "llmbar-adver-manual": 46,
    },
    "Safety": {
        "refusals-dangerous": 100,
        "refusals-offensive": 100,
        # As that code has them; the data has 154 of the first and 250 of the second.
        "xstest-should-refuse": 250,
        "xstest-should-respond": 154,
        "donotanswer": 136,
    },
    "Reasoning": {
        "math-prm": 984,
        "hep-cpp": 164,
        "hep-go": 164,
        "hep-java": 164,
        "hep-js": 164,
        "hep-python": 164,
        "hep-rust": 164,
    },
}
SECTION_OF = {subset: section for section, subsets in SECTIONS.items() for subset in subsets}


def read(files: Sequence[Path], options: Mapping[str, Any], data: Mapping[str, Any]) -> Sets:
    """A row a pair, its section "Chat/mt-bench-easy" and the like; all of it is test."""
    found, left_out = rows.read(files[0], parse, data["bad_row_share"])
    return benchmark(found, **left_out)


def parse(row: Mapping[str, Any]) -> Compared:
    """One pair. An empty response stays, since scores are of all rows and a judge can judge it."""
    subset = rows.words(row, "subset")
    if subset not in SECTION_OF:
        raise rows.Dropped("subsets of no section")
    sides = (rows.text(row, "chosen"), rows.text(row, "rejected"))
    return rows.pair(rows.words(row, "prompt"), *sides, section=f"{SECTION_OF[subset]}/{subset}")


def section_scores(accuracies: Mapping[str, float]) -> dict[str, float]:
    """Section → score, from "section/subset" → accuracy; a subset that is not there does not count."""
    scores = {}
    for section, weights in SECTIONS.items():
        present = {
            subset: weight
            for subset, weight in weights.items()
            if f"{section}/{subset}" in accuracies
        }
        if present:
            total = sum(
                weight * accuracies[f"{section}/{subset}"] for subset, weight in present.items()
            )
            scores[section] = total / sum(present.values())
    return scores
