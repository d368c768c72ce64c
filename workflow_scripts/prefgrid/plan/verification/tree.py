"""What lies under results/: files that may belong to artifacts, records, and leftovers."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from prefgrid.files import artifacts, reading, store
from prefgrid.files.records import Provenance

ROOT = "results"
# Directly under ROOT: what belongs to runs and to readers, not to artifacts.
ASIDE = frozenset({"logs", "work", "trackers", "README.md"})
# What failed and killed jobs leave beside artifacts: their diagnosis and their unfinished files.
DIAGNOSES = frozenset({"failed_batch.json"})
UNFINISHED = (".partial-", ".work-")
PROGRESS_SECONDS = 10.0


@dataclass
class Tree:
    """Paths relative to the run's folder.

    files: whatever may be part of an artifact, and what lies in an artifact's folder besides. records: places of provenance records. leftovers:
    of failed and killed jobs.
    """

    files: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)


def scan(root: str = ROOT) -> Tree:
    """Everything under `root`, read by name only."""
    tree = Tree()
    for folder, folders, names in os.walk(root):
        top = folder == root
        # Nothing but its record may lie in the folder of a manifest, whatever its name.
        whole = artifacts.MANIFEST in names
        path = {name: os.path.join(folder, name) for name in [*folders, *names]}
        tree.leftovers += [path[name] for name in folders if name.startswith(UNFINISHED)]
        records = os.path.basename(folder) == artifacts.RECORD
        folders[:] = [
            name
            for name in sorted(folders)
            if not name.startswith(UNFINISHED if whole else ".") and not (top and name in ASIDE)
        ]
        for name in sorted(names):
            if records or name == f"{artifacts.RECORD}.json":
                tree.records.append(path[name])
            elif name in DIAGNOSES:
                tree.leftovers.append(path[name])
            elif top and name in ASIDE:
                continue
            elif whole or not name.startswith(artifacts.PRIVATE_PREFIXES):
                tree.files.append(path[name])
    return tree


def read_record(outputs: Sequence[str]) -> dict[str, Any] | str | None:
    """The record of the artifact of these files; None without one, a text if it is damaged."""
    for output in outputs:
        for place in artifacts.record_places(output):
            if place.is_file():
                return load_record(place)
    return None


def load_record(place: Path | str) -> dict[str, Any] | str:
    """A provenance record, or what is wrong with it."""
    try:
        return reading.read_json(place, Provenance)
    except (store.DataError, OSError) as error:
        return f"its record is damaged: {error}"


def checksums(paths: Iterable[str]) -> dict[str, str | None]:
    """Path → SHA-256 of the file; None where there is none or it cannot be read."""
    listed = sorted(set(paths))
    found: dict[str, str | None] = {}
    told = monotonic()
    # Hashing lets other threads run, so threads use all cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, checksum in zip(listed, pool.map(_checksum, listed), strict=True):
            found[path] = checksum
            if monotonic() - told > PROGRESS_SECONDS:
                store.log(f"{len(found)} of {len(listed)} files read")
                told = monotonic()
    return found


def _checksum(path: str) -> str | None:
    try:
        return store.sha256_file(path)
    except OSError:
        return None


def outermost(paths: Iterable[str], kept: Iterable[str]) -> list[tuple[str, int]]:
    """(path, files) of the fewest files and folders that hold all of `paths` and none of `kept`."""
    needed = {ROOT, *(str(parent) for path in kept for parent in Path(path).parents)}
    found: dict[str, int] = {}
    for path in paths:
        top = path
        while (parent := os.path.dirname(top)) not in needed and parent:
            top = parent
        found[top] = found.get(top, 0) + 1
    return sorted(found.items())
