"""The toy study's section of the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefgrid.files import reading
from prefgrid.report import blocks

READS = ("evaluations",)
USES = ("iterations",)


def section(
    files: Mapping[str, list[Path]], figures: Mapping[str, Path], spec: Mapping[str, Any]
) -> dict[str, Any]:
    """A finding in one sentence, and the figure."""
    (path,) = files["evaluations"]
    table = reading.read_table(path)
    last = table[(table["beta"] == 1.0) & (table["iteration"] == spec["iterations"])]
    reward = blocks.number(last["avg_reward"].mean())
    return {
        "id": "toy-study",
        "title": "Toy study",
        "question": "Does a room outside the package work?",
        "facts": [["Iterations", str(spec["iterations"])]],
        "findings": [
            {
                "heading": "Two iterations ran",
                "sentences": [f"The last iteration's reward is {reward}."],
                "verdict": "undecided",
            }
        ],
        "figures": blocks.figures(figures, spec["figures"]),
        "tables": [],
        "samples": None,
    }
