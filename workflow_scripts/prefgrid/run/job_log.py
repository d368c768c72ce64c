"""Where a job's output goes: the rule's log file and the terminal. Standard library only."""

import contextlib
import os
import sys
from typing import IO

# Unbuffered, so that nothing fails later, at exit.
Log = IO[bytes]


def copy(source: IO[bytes], log: Log) -> None:
    """Pass everything on, line by line, to the log and to the terminal."""
    for line in iter(source.readline, b""):
        emit(line, log)


def emit(line: bytes, log: Log) -> None:
    """Write to the log and to the terminal."""
    # Neither a full disk nor a closed terminal may end the copying: the script would then block
    # for ever on its full pipe.
    for descriptor in (log.fileno(), sys.stderr.fileno()):
        left = line
        with contextlib.suppress(OSError):
            while left:
                left = left[os.write(descriptor, left) :]
