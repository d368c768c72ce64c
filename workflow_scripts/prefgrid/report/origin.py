"""Provenance of everything a report shows, summed up from the artifacts' own records."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any


def summarise(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """From provenance records (one an artifact) to what the report's table shows.

    Returns `artifacts` (count), `steps` (script, artifacts), `packages` (name, versions),
    `commits`, `devices`, `pythons`: sorted, each value once, so that a mixture is visible. No
    times, so that equal runs make equal pages; the records have them.
    """
    packages: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for name, version in record["packages"].items():
            packages[name].add(version)
    return {
        "artifacts": len(records),
        "steps": sorted(Counter(record["script"] for record in records).items()),
        "packages": [(name, ", ".join(sorted(found))) for name, found in sorted(packages.items())],
        "commits": sorted({_short(record["git_commit"]) for record in records}),
        "devices": sorted({record["device"] for record in records}),
        "pythons": sorted({record["python"] for record in records}),
    }


def _short(commit: str) -> str:
    """The first 12 digits of a commit, and its mark where the source was edited since."""
    digits, mark, word = commit.partition("+")
    return digits[:12] + mark + word
