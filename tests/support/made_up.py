"""Records beside made-up files, so that scripts take them for files that a job made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefgrid.files import artifacts, store


def record(
    *outputs: Path, script: str = "make_up", inputs: Sequence[Path] = (), **more: Any
) -> Path:
    """Write the record of files in one folder, and return its place; `more` are further entries."""
    _, place = artifacts.record_places(outputs[0])
    found = {"script": script, "spec": {}, "code": f"{script}@0123456789abcdef"}
    found |= {"inputs": {"all": {str(path): "sha" for path in inputs}}}
    found |= {"outputs": {str(path): store.sha256_file(path) for path in outputs}}
    store.write_json(place, found | more)
    return place
