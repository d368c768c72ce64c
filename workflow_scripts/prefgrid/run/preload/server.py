"""The fork server: a process that has imported the packages, and forks a script's process from that.

    python server.py NAME PARENT PACKAGE... ROOM

It imports third-party packages alone: what belongs to this program may change between two jobs, so
every script's process imports it itself. Nothing is computed before a fork, and no thread and no
CUDA context exist, because neither survives one. A forked keeper (`keeper.py`) serves each client;
the server never reads what a client sends, and no job depends on the server's life. It is killed
with its parent, Snakemake, and leaves nothing behind.
"""

import gc
import importlib
import importlib.util
import os
import signal
import site
import socket
import sys
import threading
from pathlib import Path

from prefgrid.run import supervision
from prefgrid.run.preload import address, keeper, script


def main() -> None:
    """Serve. Returns in the process of a script, when the script has ended."""
    name, parent, packages = sys.argv[1], int(sys.argv[2]), sys.argv[3:-1]
    supervision.be_killed_with_parent()
    if os.getppid() != parent:
        return
    # Before the imports: a package installed meanwhile might be imported in part.
    surroundings = address.surroundings(os.environ)
    preload(packages)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address.socket_address(name))
        listener.listen(64)
        request = serve(listener, surroundings)
    script.run(request)


def preload(packages: list[str]) -> None:
    """Import the packages; RuntimeError if the process could not be forked safely afterwards."""
    forget_program()
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    installed = tuple(f"{folder}{os.sep}" for folder in folders)
    for name in packages:
        origin = importlib.util.find_spec(name.partition(".")[0]).origin
        if not origin.startswith(installed):
            raise RuntimeError(f"{name} is at {origin}, where it may change between jobs")
        importlib.import_module(name)
    # Nothing that exists now will be looked at, and so copied, by a script's garbage collector.
    gc.collect()
    gc.freeze()
    check_forkable()


def forget_program() -> None:
    """Make this program's modules unknown again, so that scripts import those of their own day."""
    own = str(Path(__file__).resolve().parents[3])
    sys.path[:] = [entry for entry in sys.path[1:] if entry != own]
    for name in [name for name in sys.modules if name.partition(".")[0] == "prefgrid"]:
        del sys.modules[name]


def check_forkable() -> None:
    """RuntimeError if a package has left something behind that a fork would break or repeat.

    OSError where processes cannot be watched, as on kernels before 5.3 and in some containers.
    """
    os.close(os.pidfd_open(os.getpid()))
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1 or threading.active_count() != 1:
        raise RuntimeError(f"a package started threads at import: there are {threads}")
    if "/libcuda.so" in Path("/proc/self/maps").read_text(encoding="utf-8"):
        raise RuntimeError("a package initialised CUDA at import")
    if program := [name for name in sys.modules if name.partition(".")[0] == "prefgrid"]:
        raise RuntimeError(f"a package imported {program}, which may change between jobs")


def serve(listener: socket.socket, surroundings: bytes) -> script.Request:
    """Fork a keeper for every client. Returns in the process of a script, with what to run there."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a keeper
    while True:
        connection, _ = listener.accept()
        with connection:
            if address.peer_user(connection) != os.getuid():
                continue
            try:
                process = os.fork()
            except OSError:
                continue  # no memory: the client starts its script itself
            if not process:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                return keeper.keep(connection, surroundings)


if __name__ == "__main__":
    main()
