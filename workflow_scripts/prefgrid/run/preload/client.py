"""The fork server from outside: Snakemake starts it, job runners get processes from it, or none.

Standard library only.
"""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
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
# Room in a server's command line for that of a script; `ps` shows no more of it.
COMMAND_BYTES = 8192
# A server that does not answer for this long is too busy, or stopped: a plain start is as quick.
ANSWER_SECONDS = 5.0


def start_server(
    name: str, python: str, environment: Mapping[str, str], log: Path
) -> subprocess.Popen:
    """Start a server that ends with the thread that calls this, and serves this process's jobs.

    Nobody waits for it. If it cannot serve, `log` says why.
    """
    command = [python, str(SERVER), name, str(os.getpid()), *PACKAGES, " " * COMMAND_BYTES]
    with open(log, "w", encoding="utf-8") as output:
        return subprocess.Popen(
            command,
            env=address.server_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


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

    None if the server named in `environment` is not there, not ready, or not in surroundings like
    ours. Nobody waits for it, because it needs as long as a plain start.

    descriptors: passed on, open, to the script.
    """
    name = environment.get(address.VARIABLE)
    if not name:
        return None
    try:
        surroundings = address.surroundings(environment)
    except OSError:  # not everything that it asks for can be read in every container
        return None
    request = {
        "script": str(script),
        "arguments": list(arguments),
        "environment": dict(environment),
    }
    with contextlib.ExitStack() as on_failure:
        connection = on_failure.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(address.socket_address(name))
        except OSError:
            return None
        reading, writing = os.pipe()
        on_failure.callback(os.close, reading)
        try:
            # From the whole request on the script may run. Whatever fails before, it never will.
            if address.peer_user(connection) != os.getuid():
                return None
            if connection.recv(len(surroundings), socket.MSG_WAITALL) != surroundings:
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
