"""The fork server: a process that has imported the packages, and forks a script's process from that.

    python server.py SOCKET FAILURE LOCK_DESCRIPTOR IDLE_SECONDS PACKAGE... ROOM

It imports third-party packages alone: what belongs to this program may change between two jobs, so
every script's process imports it itself. Nothing is computed before a fork, and no thread and no
CUDA context exist, because neither survives one. A forked keeper (`keeper.py`) serves each client;
the server never reads what a client sends, and no job depends on the server's life.
"""

import gc
import importlib
import importlib.util
import os
import select
import site
import socket
import sys
import threading
import traceback
from pathlib import Path

from prefgrid.run.preload import address, keeper, script


def main() -> None:
    """Serve until idle. Returns in the process of a script, when the script has ended."""
    socket_path, failure = Path(sys.argv[1]), Path(sys.argv[2])
    lock, idle_seconds = int(sys.argv[3]), float(sys.argv[4])
    # Nobody's child: whoever started it has other processes to wait for.
    if os.fork():
        os._exit(0)
    try:
        preload(sys.argv[5:-1])
        failure.unlink(missing_ok=True)
    except Exception:
        traceback.print_exc()
        failure.write_text(traceback.format_exc())
        os._exit(1)
    # The lock is ours, so a socket of this name is a killed server's.
    socket_path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        os.umask(0o077)
        listener.bind(str(socket_path))
        listener.listen(64)
        request = serve(listener, lock, idle_seconds)
    if request is None:
        socket_path.unlink(missing_ok=True)
    else:
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
    if "/libcuda.so" in Path("/proc/self/maps").read_text():
        raise RuntimeError("a package initialised CUDA at import")
    if program := [name for name in sys.modules if name.partition(".")[0] == "prefgrid"]:
        raise RuntimeError(f"a package imported {program}, which may change between jobs")


def serve(listener: socket.socket, lock: int, idle_seconds: float) -> script.Request | None:
    """Fork a keeper for every client until `idle_seconds` have passed without one alive.

    Returns None then, and the request to run in the process of a script.
    """
    keepers: dict[int, int] = {}
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while events := poll.poll(None if keepers else idle_seconds * 1000):
        for ready, _ in events:
            if ready in keepers:
                os.waitpid(keepers.pop(ready), 0)
                poll.unregister(ready)
                os.close(ready)
                continue
            connection, _ = listener.accept()
            with connection:
                if address.peer_user(connection) != os.getuid():
                    continue
                try:
                    process = os.fork()
                except OSError:
                    continue  # no memory: the client starts its script itself
                if not process:
                    listener.close()
                    for descriptor in (lock, *keepers):
                        os.close(descriptor)
                    return keeper.keep(connection)
            watched = os.pidfd_open(process)
            keepers[watched] = process
            poll.register(watched, select.POLLIN)
    return None


if __name__ == "__main__":
    main()
