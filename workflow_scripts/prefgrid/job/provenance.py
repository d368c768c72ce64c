"""The record written beside every artifact: what it was made of, by what, and at what cost.

Where an artifact has its folder to itself the record is `_provenance.json` in it; where several
share a folder it is `_provenance/<stem of the artifact's file>.json`.
"""

import platform
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from prefgrid.files import reading, records

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "datasets",
    "numpy",
    "pandas",
    "snakemake",
)


def identity(
    *, script: str, spec: dict[str, Any], code: str, inputs: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """What decides a job's result, as far as we know it; JSON-ready.

    inputs: name → path → SHA-256, in the order in which the job was given them.
    """
    return {
        "script": script,
        "spec": spec,
        "code": code,
        "inputs": inputs,
        "packages": versions(),
        "python": platform.python_version(),
    }


def collect(
    identity: dict[str, Any], *, output_hashes: dict[str, str], seconds: float
) -> dict[str, Any]:
    """The provenance record, JSON-ready: the identity of the job, what it made and at what cost.

    output_hashes: path → SHA-256. Times are seconds, memory bytes.
    """
    return identity | {
        "outputs": output_hashes,
        "git_commit": git_commit(),
        "device": _device(),
        "wall_time_seconds": round(seconds, 3),
        "peak_memory_bytes": _peak_memory(),
    }


def ancestors(paths: Iterable[Path | str]) -> list[dict[str, Any]]:
    """Records of the artifacts that `paths` belong to and of all that these were made of.

    Follows the inputs of each record, so that leftovers of other runs do not count. Each record
    once, ordered by its place. Files without a record came from outside and end their branch.
    DataError naming a record that is damaged.
    """
    found: dict[Path, dict[str, Any]] = {}
    waiting = [Path(path) for path in paths]
    looked_at = set(waiting)
    while waiting:
        for place, record in _records(waiting.pop()):
            found[place] = record
            named = {Path(name) for group in record["inputs"].values() for name in group}
            waiting += named - looked_at
            looked_at |= named
    return [found[place] for place in sorted(found)]


def _records(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """(place, record) of the artifact that a file belongs to, if it has a record."""
    for name in (f"_provenance/{path.stem}.json", "_provenance.json"):
        place = path.parent / name
        if place.is_file():
            record = reading.read_json(place, records.Provenance)
            # A record left by another artifact of this folder says nothing about this file.
            if path.name in {Path(output).name for output in record["outputs"]}:
                yield place, record


def versions() -> dict[str, str]:
    """Installed versions of the packages that results depend on."""
    return {name: metadata.version(name) for name in PACKAGES}


@cache
def git_commit() -> str:
    """Commit of this source tree, with "+changes" if it was edited since; "unknown" outside git."""

    # No optional locks: a hundred jobs at once must not make the user's own git command fail.
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "--no-optional-locks", "-C", str(Path(__file__).parent), *words],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _device() -> str:
    # A job that never imported torch has no business importing it to say where it ran.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "cpu"


def _peak_memory() -> dict[str, int]:
    """Bytes; the host's count what a preloaded job shares with its server too."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = {"host": kilobytes * 1024}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        peak["device"] = torch.cuda.max_memory_allocated()
    return peak
