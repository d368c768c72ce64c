"""Artifacts: which files of a folder belong to one, the manifest among them, and where its record is.

Where an artifact has its folder to itself the record is `_provenance.json` in it; where several
share a folder it is `_provenance/<stem of the artifact's file>.json`.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
# Of a model, for people.
CARD = "README.md"
# Of files that belong to no artifact: records, leftovers, what the system puts there.
PRIVATE_PREFIXES = ("_", ".")
RECORD = "_provenance"


def files(folder: Path | str) -> list[Path]:
    """The files of the artifact in `folder`, its manifest included, sorted; subfolders are none."""
    return sorted(
        path
        for path in Path(folder).iterdir()
        if path.is_file() and not path.name.startswith(PRIVATE_PREFIXES)
    )


def strays(folder: Path | str, listed: Collection[str]) -> list[Path]:
    """What is in the folder of a manifest though that does not list it, subfolders too; sorted.

    Private names are left out, which no library reads.
    """
    return sorted(
        path
        for path in Path(folder).iterdir()
        if not path.name.startswith(PRIVATE_PREFIXES)
        and path.name != MANIFEST
        and path.name not in listed
    )


def record_places(path: Path | str) -> tuple[Path, Path]:
    """Where the record of a file's artifact may be: (in a shared folder, in a folder of its own)."""
    path = Path(path)
    return path.parent / RECORD / f"{path.stem}.json", path.parent / f"{RECORD}.json"


def recorded(record: dict[str, Any], path: Path | str) -> str | None:
    """The SHA-256 that a record has of the file beside it; None if it is another artifact's."""
    for output, sha256 in record["outputs"].items():
        if Path(output).name == Path(path).name:
            return sha256
    return None
