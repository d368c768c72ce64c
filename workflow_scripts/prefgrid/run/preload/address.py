"""Where a fork server listens, one for all jobs whose plain start would be the same, and to whom.

Standard library only; the client computes this before every job.
"""

import contextlib
import hashlib
import json
import os
import resource
import socket
import stat
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[3]
# Of the program itself: it changes between jobs, so a server never imports it.
FIRST_PARTY = (str(SCRIPTS), str(SCRIPTS.parent))
SUPERVISION = SCRIPTS / "prefgrid" / "run" / "supervision.py"
# Variables that differ between jobs although no package's import depends on them …
PRIVATE = ("_", "PWD", "OLDPWD", "SHLVL", "PYTHONPATH")
PRIVATE_PREFIXES = ("PREFGRID_", "PYTEST_", "SNAKEMAKE_")
# … or that a server must have at one: the pools of these libraries start with their import.
THREADS = (
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
# Lines of /proc/self/status about what a process may do and where it may run.
CONFINEMENT = (
    "Uid:",
    "Gid:",
    "Groups:",
    "Cap",
    "NoNewPrivs:",
    "Seccomp:",
    "Cpus_allowed:",
    "Mems_allowed:",
)
# What a Unix socket's path may have, its closing zero byte included.
PATH_BYTES = 108


@dataclass(frozen=True)
class Address:
    """Files of one server: its socket, the lock it lives under, its output, why it failed."""

    socket: Path
    lock: Path
    log: Path
    failure: Path


def address(environment: Mapping[str, str]) -> Address | None:
    """The server for a script with this environment; None where no private folder can be had."""
    for base in filter(
        None, (environment.get("XDG_RUNTIME_DIR"), environment.get("TMPDIR"), "/tmp")
    ):
        folder = Path(base) / f"prefgrid-{os.getuid()}"
        stem = folder / _key(environment)
        found = Address(*(stem.with_suffix(s) for s in (".socket", ".lock", ".log", ".failure")))
        if len(os.fsencode(found.socket)) < PATH_BYTES and _is_private(folder):
            return found
    return None


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment that a server imports its packages with, for scripts with `environment`."""
    kept = {name: value for name, value in environment.items() if not _differs(name)}
    # The background thread of Arrow's second allocator would not survive a fork.
    arrow = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
    path = os.pathsep.join([str(SCRIPTS), *third_party_path(environment)])
    return kept | dict.fromkeys(THREADS, "1") | arrow | {"PYTHONPATH": path}


def third_party_path(environment: Mapping[str, str]) -> list[str]:
    """Entries of PYTHONPATH that are not this program's own."""
    entries = environment.get("PYTHONPATH", "").split(os.pathsep)
    return [entry for entry in entries if entry and entry not in FIRST_PARTY]


def peer_user(connection: socket.socket) -> int:
    """User id of the process at the other end."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return struct.unpack("3i", credentials)[1]


def _differs(name: str) -> bool:
    return name in PRIVATE or name.startswith(PRIVATE_PREFIXES)


def _is_private(folder: Path) -> bool:
    """Whether the folder, made if absent, is the user's own and closed to everybody else."""
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError:
        return False
    owned = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return owned and not found.st_mode & 0o077


def _key(environment: Mapping[str, str]) -> str:
    """16 hex digits over all that a plain start depends on and a fork does not renew."""
    own = [path.read_text() for path in (SUPERVISION, *sorted(Path(__file__).parent.glob("*.py")))]
    described = {
        "server": own,
        "interpreter": [sys.executable, sys.version],
        "packages": list(_packages()),
        "environment": server_environment(environment)
        | {"PYTHONPATH": third_party_path(environment)},
        "confinement": list(_confinement()),
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


def _packages() -> Iterator[tuple]:
    """Every folder that packages come from, with its state; the first entry is the program's."""
    for entry in sys.path[1:]:
        if entry not in FIRST_PARTY and os.path.isdir(entry):
            installed = sorted(name for name in os.listdir(entry) if name.endswith(".dist-info"))
            yield entry, os.stat(entry).st_mtime_ns, installed


def _confinement() -> Iterator[object]:
    """Limits, rights and groups of this process, which a fork takes from its server."""
    yield os.uname().nodename  # the folder may be on a file system that several machines share
    status = Path("/proc/self/status").read_text().splitlines()
    yield [line for line in status if line.startswith(CONFINEMENT)]
    yield Path("/proc/self/cgroup").read_text()
    yield Path("/proc/self/oom_score_adj").read_text()
    yield [os.readlink(entry) for entry in sorted(Path("/proc/self/ns").iterdir())]
    yield os.readlink("/proc/self/root")
    yield os.getpriority(os.PRIO_PROCESS, 0)
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    yield [resource.getrlimit(getattr(resource, name)) for name in names]
