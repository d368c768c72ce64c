"""What the steps of a run took, from the records of their artifacts."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any


def steps(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A dictionary a script, those that took longest in all first.

    `script`, `artifacts` (count), `seconds` (in all), `median_seconds`, `longest_seconds`;
    `host_bytes`, `device_bytes`: median and largest peak, None where no job had any.
    """
    scripts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        scripts[record["script"]].append(record)
    found = [_step(script, own) for script, own in sorted(scripts.items())]
    return sorted(found, key=lambda step: -step["seconds"])


def _step(script: str, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    seconds = [record["wall_time_seconds"] for record in records]
    step = {
        "script": script,
        "artifacts": len(records),
        "seconds": sum(seconds),
        "median_seconds": median(seconds),
        "longest_seconds": max(seconds),
    }
    for place in ("host", "device"):
        peaks = [record["peak_memory_bytes"].get(place) for record in records]
        known = [peak for peak in peaks if peak is not None]
        step[f"{place}_bytes"] = [median(known), max(known)] if known else None
    return step


def duration(seconds: float) -> str:
    """With two or three digits: 0.08 s, 12 s, 3.4 min, 5.6 h."""
    if seconds < 99.5:
        return f"{seconds:.2f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def memory(size: float) -> str:
    """Bytes as 433 MB, 1.2 GB."""
    return f"{size / 1e6:.0f} MB" if size < 999.5e6 else f"{size / 1e9:.1f} GB"
