"""Provenance of everything a report shows, summed up from the artifacts' own records."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any


def summarise(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """From provenance records (one an artifact) to what the report's table shows.

    Returns `stages` (script, artifacts, total wall time in words), `packages` (name, versions),
    `commits`, `devices`, `pythons`: sorted, each value once, so that a mixture is visible.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    packages: dict[str, set[str]] = defaultdict(set)
    for record in records:
        seconds[record["script"]].append(record["wall_time_seconds"])
        for name, version in record["packages"].items():
            packages[name].add(version)
    return {
        "artifacts": len(records),
        "stages": [
            (script, len(times), duration(sum(times))) for script, times in sorted(seconds.items())
        ],
        "packages": [(name, ", ".join(sorted(found))) for name, found in sorted(packages.items())],
        "commits": sorted({record["git_commit"] for record in records}),
        "devices": sorted({record["device"] for record in records}),
        "pythons": sorted({record["python"] for record in records}),
        "total": duration(sum(sum(times) for times in seconds.values())),
    }


def duration(seconds: float) -> str:
    """12.3 → "12 s", 754 → "12 min 34 s", 7500 → "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
