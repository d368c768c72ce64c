"""The job runner's side of the fork server: have a script's process made by it, or none at all.

Standard library only.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from prefgrid.run.preload import address

SERVER = Path(__file__).with_name("server.py")
# With what they import on first use of a Qwen3 model, an adapter, a table or a figure.
PACKAGES = (
    "accelerate",
    "datasets",
    "jinja2",
    "matplotlib.pyplot",
    "pandas",
    "peft",
    "peft.utils.transformers_weight_conversion",
    "psutil",
    "pydantic.type_adapter",
    "pydantic.types",
    "pyarrow.parquet",
    "scipy.optimize",
    "scipy.stats",
    "seaborn",
    "tokenizers",
    "torch",
    "torch.distributed",
    "torch.profiler",
    "transformers",
    "transformers.models.qwen3.configuration_qwen3",
    "transformers.models.qwen3.modeling_qwen3",
)
# How long a server lives without a job: about the longest time that two jobs fill every core.
IDLE_SECONDS = 120.0
# Room in a server's command line for that of a script; `ps` shows no more of it.
COMMAND_BYTES = 8192
# A server that does not answer for this long is too busy, or stopped: a plain start is as quick.
ANSWER_SECONDS = 5.0
# A server that could not start would fail again; it is tried again after this.
FAILURE_SECONDS = 3600.0


class PreloadedScript:
    """A script's process, made by the fork server. Closing the connection kills it.

    stdout: its output, both streams, as bytes.
    """

    def __init__(self, connection: socket.socket, output: int) -> None:
        self.stdout = os.fdopen(output, "rb")
        self._connection = connection

    def signal_group(self, number: int) -> None:
        """Send a signal to the script and all that stayed in its process group."""
        with contextlib.suppress(OSError):
            self._connection.send(bytes([number]))

    def wait(self) -> int:
        """The exit status, negative for a signal's number, once every descendant is gone too."""
        with contextlib.suppress(OSError):
            if len(answer := self._connection.recv(4, socket.MSG_WAITALL)) == 4:
                return struct.unpack("!i", answer)[0]
        # Its keeper was killed, and the script with it.
        return -signal.SIGKILL


def start(
    script: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    descriptors: Sequence[int] = (),
) -> PreloadedScript | None:
    """Start `script` as `python script arguments` would, in a session of its own.

    None if no server is ready, and one is started then for the jobs to come: nobody waits for it,
    because it needs as long as a plain start. Must be called before this process becomes a
    sub-reaper, or it would take the server for a process of its job.

    descriptors: passed on, open, to the script.
    """
    try:
        place = address.address(environment)
    except OSError:  # not everything that it asks for can be read in every container
        return None
    if place is None:
        return None
    request = {
        "script": str(script),
        "arguments": list(arguments),
        "environment": dict(environment),
        "folder": os.getcwd(),
        "umask": _umask(),
    }
    with contextlib.ExitStack() as on_failure:
        connection = on_failure.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(place.socket))
        except (FileNotFoundError, ConnectionRefusedError):
            _start_server(place, environment)
            return None
        except OSError:
            return None
        reading, writing = os.pipe()
        on_failure.callback(os.close, reading)
        try:
            # From the whole request on the script may run. Whatever fails before, it never will.
            if address.peer_user(connection) != os.getuid() or connection.recv(1) != b"r":
                return None
            body = json.dumps(request).encode()
            socket.send_fds(connection, [struct.pack("!I", len(body))], [writing, *descriptors])
            connection.sendall(body)
        except OSError:
            return None
        finally:
            os.close(writing)
        connection.settimeout(None)
        on_failure.pop_all()
        return PreloadedScript(connection, reading)


def _start_server(place: address.Address, environment: Mapping[str, str]) -> None:
    """Start a server that outlives this process, unless one is starting or has failed lately."""
    with contextlib.suppress(OSError):
        if time.time() - place.failure.stat().st_mtime < FAILURE_SECONDS:
            return
    with contextlib.suppress(OSError), open(place.lock, "a") as lock:
        # The server inherits the lock and holds it as long as it lives.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        command = [sys.executable, SERVER, place.socket, place.failure, lock.fileno(), IDLE_SECONDS]
        with open(place.log, "w") as log:
            subprocess.run(
                [*map(str, command), *PACKAGES, " " * COMMAND_BYTES],
                env=address.server_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )


def _umask() -> int:
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    return mask
