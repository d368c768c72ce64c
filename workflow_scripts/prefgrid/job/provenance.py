"""The record written beside every artifact: what it was made of, by what, and at what cost.

Where it lies, `files.artifacts` knows.
"""

import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

INERT = True

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
# Files of the source tree that hold settings and no code.
SETTINGS = ("config.yaml", "presets", "profiles")


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
        "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "device": _device(),
        **_computed_with(),
        "wall_time_seconds": round(seconds, 3),
        "peak_memory_bytes": _peak_memory(),
    }


def versions() -> dict[str, str]:
    """Installed versions of the packages that results depend on."""
    return {name: metadata.version(name) for name in PACKAGES}


@cache
def git_commit() -> str:
    """Commit of this source tree, with "+changes" if it was edited since; "unknown" outside git.

    Presets and profiles may be edited: what a job used of its config is in its record.
    """

    # No optional locks: a hundred jobs at once must not make the user's own git command fail.
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "--no-optional-locks", "-C", str(Path(__file__).parent), *words],
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout.strip()

    try:
        changes = git(
            "status", "--porcelain", "--", *(f":(top,exclude){name}" for name in SETTINGS)
        )
        return git("rev-parse", "HEAD") + ("+changes" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _device() -> str:
    # A job that never imported torch has no business importing it to say where it ran.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "cpu"


def _computed_with() -> dict[str, dict[str, Any]]:
    """What decides the last bits of a result on a CPU, if torch is there: its threads, which share
    sums among them, and the instructions that its kernels were chosen for."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    capability = torch.backends.cpu.get_cpu_capability()
    return {
        "computed_with": {"torch_threads": torch.get_num_threads(), "cpu_capability": capability}
    }


def _peak_memory() -> dict[str, int]:
    """Bytes; the host's count what a preloaded job shares with its server too."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = {"host": kilobytes * 1024}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        peak["device"] = torch.cuda.max_memory_allocated()
    return peak
