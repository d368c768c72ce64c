"""The process between a script and its client, in the place that the job runner has in a plain start.

It lives exactly as long as its job: it passes the client's signals on, reports how the script ended,
and leaves no descendant behind. Once the client is gone it kills them all.
"""

import contextlib
import json
import os
import select
import signal
import socket
import struct

from prefgrid.run import supervision
from prefgrid.run.preload import script


def keep(connection: socket.socket, greeting: bytes) -> script.Request:
    """Serve one client. Returns in the process of its script, with what is to be run there."""
    try:
        request = _received(connection, greeting)
    except (OSError, ValueError, struct.error):
        os._exit(1)  # the client starts its script itself
    supervision.adopt_descendants()
    keeper = os.getpid()
    process = os.fork()
    if not process:
        os.setsid()
        supervision.be_killed_with_parent()
        if os.getppid() != keeper:
            os._exit(1)
        connection.close()
        return request
    for descriptor in request.descriptors:
        os.close(descriptor)
    with contextlib.suppress(OSError):
        connection.sendall(struct.pack("!i", _watch(connection, process)))
    os._exit(0)


def _received(connection: socket.socket, greeting: bytes) -> script.Request:
    """The request that the client sends once it knows that a fork is what it wants."""
    connection.sendall(greeting)
    size, descriptors, _, _ = socket.recv_fds(connection, 4, 64, socket.MSG_WAITALL)
    (left,) = struct.unpack("!I", size)
    body = connection.recv(left, socket.MSG_WAITALL)
    return script.Request(**json.loads(body), descriptors=tuple(descriptors))


def _watch(connection: socket.socket, process: int) -> int:
    """Wait for the script, then end its descendants; the script's exit status, negative for a signal."""
    ended = os.pidfd_open(process)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(connection, select.POLLIN)
    signals = b""
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if connection.fileno() in ready:
            try:
                received = connection.recv(64)
            except ConnectionResetError:
                received = b""
            if not received:
                poll.unregister(connection)
            for number in received or [signal.SIGKILL]:
                signals += bytes([number])
                _signal_group(process, number)
        if ended in ready:
            break
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    in_order = status == 0 and not signals
    supervision.end_descendants(signal.SIGTERM if in_order else signal.SIGKILL)
    return status


def _signal_group(process: int, number: int) -> None:
    """Signal the group that `process` leads, or it alone in the moment before it does."""
    try:
        os.killpg(process, number)
    except ProcessLookupError:
        os.kill(process, number)
