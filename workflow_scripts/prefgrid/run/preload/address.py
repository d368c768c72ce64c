"""Where a fork server listens, to whom, and for which scripts a fork is like a plain start.

Standard library only; the client computes this before every job.
"""

import hashlib
import json
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# Handed down to the jobs of a Snakemake run: the name of its server.
VARIABLE = "PREFGRID_SERVER"
SCRIPTS = Path(__file__).resolve().parents[3]
# Of the program itself: it changes between jobs, so a server never imports it.
FIRST_PARTY = (str(SCRIPTS), str(SCRIPTS.parent))
SUPERVISION = SCRIPTS / "prefgrid" / "run" / "supervision.py"
# Variables that differ between jobs although no package's import depends on them
# (the shell of a job drops the prompts that an activated environment exports) …
PRIVATE = ("_", "PWD", "OLDPWD", "SHLVL", "PYTHONPATH", "PS1", "PS2")
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
# Lines of /proc/self/status that `umask` and `taskset` change.
STATUS = ("Umask:", "Cpus_allowed:")


def socket_address(name: str) -> str:
    """Abstract: without a file, so nothing is left of a killed server."""
    return f"\0{name}"


def surroundings(environment: Mapping[str, str]) -> bytes:
    """Digest of what a fork takes over from its server and a plain start might find otherwise.

    Server and jobs are children of one Snakemake, so these differ only where a job is given an
    interpreter, a container, variables or limits of its own, or packages are installed meanwhile.
    """
    own = [SUPERVISION, *sorted(Path(__file__).parent.glob("*.py"))]
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    described = {
        "program": [path.read_text(encoding="utf-8") for path in own],
        "interpreter": sys.executable,
        "packages": list(_packages()),
        "environment": server_environment(environment),
        "folder": os.getcwd(),
        "status": [line for line in status if line.startswith(STATUS)],
        "limits": Path("/proc/self/limits").read_text(encoding="utf-8"),
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "namespaces": [os.readlink(entry) for entry in sorted(Path("/proc/self/ns").iterdir())],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).digest()


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment that a server imports its packages with, for scripts with `environment`."""
    kept = {name: value for name, value in environment.items() if not _differs(name)}
    # The background thread of Arrow's second allocator would not survive a fork.
    arrow = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
    path = os.pathsep.join([str(SCRIPTS), *_third_party_path(environment)])
    return kept | dict.fromkeys(THREADS, "1") | arrow | {"PYTHONPATH": path}


def peer_user(connection: socket.socket) -> int:
    """User id of the process at the other end."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return struct.unpack("3i", credentials)[1]


def _third_party_path(environment: Mapping[str, str]) -> list[str]:
    """Entries of PYTHONPATH that are not this program's own."""
    entries = environment.get("PYTHONPATH", "").split(os.pathsep)
    return [entry for entry in entries if entry and entry not in FIRST_PARTY]


def _differs(name: str) -> bool:
    return name in PRIVATE or name.startswith(PRIVATE_PREFIXES)


def _packages() -> Iterator[tuple[str, int]]:
    """Folders that packages come from, with when they changed; the first entry is the program's."""
    for entry in sys.path[1:]:
        if entry not in FIRST_PARTY and os.path.isdir(entry):
            yield entry, os.stat(entry).st_mtime_ns
