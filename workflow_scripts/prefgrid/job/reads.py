"""Files that a job's spec names: a plug-in asks for artifacts by name, the command line has paths."""

from collections.abc import Sequence
from pathlib import Path


def by_name(files: Sequence[Path], reads: Sequence[tuple[str, int]]) -> dict[str, list[Path]]:
    """Name → its files; `reads`: (name, number of files) in the order of `files`."""
    counted = sum(count for _, count in reads)
    if counted != len(files):
        raise ValueError(f"reads: {counted} files are named, {len(files)} are given: {reads}")
    waiting = iter(files)
    return {name: [next(waiting) for _ in range(count)] for name, count in reads}
