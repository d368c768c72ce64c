"""Artifacts of several files: which files of a folder belong to one, and the manifest among them."""

from pathlib import Path

MANIFEST = "manifest.json"
# Of files that belong to no artifact: records, leftovers, what the system puts there.
PRIVATE_PREFIXES = ("_", ".")


def files(folder: Path | str) -> list[Path]:
    """The files of the artifact in `folder`, its manifest included, sorted; subfolders are none."""
    return sorted(
        path
        for path in Path(folder).iterdir()
        if path.is_file() and not path.name.startswith(PRIVATE_PREFIXES)
    )
