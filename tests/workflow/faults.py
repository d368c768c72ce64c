"""Real scripts of a finished run, started again in a world that was broken on purpose."""

import ctypes
import hashlib
import io
import json
import os
import re
import resource
import runpy
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import peft  # noqa: F401  (a forked script finds it imported)
import pyarrow.parquet  # noqa: F401
import torch  # noqa: F401
import transformers  # noqa: F401

from tests.workflow.conftest import Checkout

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18

SKIPPED = re.compile(r"^(logs|work)/|_provenance|/\.work-")


@dataclass(frozen=True)
class Done:
    """status: the script's exit status. output: all it printed.

    files, results: with `look`, the names in that folder and the snapshot of results/ as the script
    saw them at its end.
    """

    status: int
    output: str
    files: list[str]
    results: dict[str, str]

    @property
    def error(self) -> str:
        """Its one "error:" line, which must be the last thing it says."""
        found = re.findall(r"^error: .*$", self.output, flags=re.MULTILINE)
        assert len(found) == 1 and self.output.rstrip().endswith(found[0]), self.output
        return found[0]


def commands(checkout: Checkout) -> dict[str, list[str]]:
    """Log file → script and arguments, of every job of the run."""
    output = checkout.snakemake("-n", "-p", "--forceall")
    found = (shlex.split(text) for text in re.findall(r"exec python -m run_job (.+)", output))
    return {words[words.index("--log") + 1]: strip(words) for words in found}


def strip(words: list[str]) -> list[str]:
    """The command without the job runner's own options."""
    rest = words[words.index("--log") + 2 :]
    return rest[2:] if rest[0] == "--gpus" else rest


def run_script(
    folder: Path,
    command: list[str],
    *,
    before: Callable[[], None] = lambda: None,
    look: str | None = None,
) -> Done:
    """Run a script as its rule does, in a fork of this process, which has imported torch already.

    before: called in the new process, to take something away from it. look: folder whose files are
    listed at the end, from inside that process, with a snapshot of all results.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as files:
        process = os.fork()
        if process == 0:
            os._exit(_in_child(folder, command, before, look, output.fileno(), files))
        _, status = os.waitpid(process, 0)
        output.seek(0)
        files.seek(0)
        listed, results = json.loads(files.read() or "[[], {}]")
        return Done(os.waitstatus_to_exitcode(status), output.read(), listed, results)


def _in_child(folder, command, before, look, output: int, files) -> int:
    os.dup2(output, 1)
    os.dup2(output, 2)
    # pytest has put its own in their place.
    sys.stdout = sys.stderr = io.TextIOWrapper(io.FileIO(1, "w", closefd=False))
    status = 0
    try:
        os.chdir(folder)
        sys.argv = [f"workflow_scripts/{command[0]}.py", *command[1:]]
        sys.path.insert(0, str(folder / "workflow_scripts"))
        before()
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as stop:
        status = stop.code or 0
    finally:
        if look is not None:
            json.dump([sorted(os.listdir(look)), snapshot(Path("results"))], files)
            files.flush()
    sys.stdout.flush()
    return status


def full_disk(folder: str, free_bytes: int = 1 << 16) -> None:
    """Put a nearly full disk, with the same files on it, in the place of `folder`; else allow no
    larger file than its space."""
    if not _mount_privately():
        resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, free_bytes))
        return
    old = {path: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}
    page = resource.getpagesize()
    size = free_bytes + sum(-(-len(content) // page) * page for content in old.values())
    if _libc().mount(b"tmpfs", folder.encode(), b"tmpfs", 0, f"size={size}".encode()):
        raise OSError(ctypes.get_errno(), "mount")
    for path, content in old.items():
        path.write_bytes(content)


def read_only(folder: str) -> None:
    """Make `folder` read-only, for root too where that is possible."""
    path = folder.encode()
    if not _mount_privately():
        for place in (folder, *(root for root, _, _ in os.walk(folder))):
            os.chmod(place, 0o555)
        if os.access(folder, os.W_OK):
            os.setuid(65534)
    elif _libc().mount(path, path, None, MS_BIND, None) or _libc().mount(
        None, path, None, MS_BIND | MS_REMOUNT | MS_RDONLY, None
    ):
        raise OSError(ctypes.get_errno(), "mount")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mount_privately() -> bool:
    """Whether this process could get mounts of its own, which end with it."""
    user, group = os.getuid(), os.getgid()
    if _libc().unshare(CLONE_NEWUSER | CLONE_NEWNS):
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    return _libc().mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0


def little_memory(extra_bytes: int) -> None:
    """Let the process grow by `extra_bytes` from here."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@contextmanager
def changed(*paths: Path) -> Iterator[None]:
    """Put files back as they were, at the end; those that were not there go."""
    with tempfile.TemporaryDirectory() as kept:
        for number, path in enumerate(paths):
            if path.exists():
                shutil.copy2(path, Path(kept, str(number)))
        try:
            yield
        finally:
            for number, path in enumerate(paths):
                path.unlink(missing_ok=True)
                if Path(kept, str(number)).exists():
                    shutil.copy2(Path(kept, str(number)), path)


def rewrite_manifest(folder: Path) -> None:
    """Make a folder's manifest fit its files, as of a model that was made like that."""
    manifest = folder / "manifest.json"
    names = json.loads(manifest.read_text())
    manifest.write_text(
        json.dumps({name: digest(folder / name) for name in names if (folder / name).exists()})
    )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def snapshot(folder: Path) -> dict[str, str]:
    """Path → checksum of everything built in a folder: no logs, records, state of unfinished jobs."""
    return {
        str(path.relative_to(folder)): digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not SKIPPED.search(str(path.relative_to(folder)))
    }
