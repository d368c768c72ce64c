"""Where a job's output goes: the rule's log file; to the terminal only what the log cannot take.

Many jobs share a terminal, on which nobody could tell their lines apart. What failed and what warned,
Snakemake's side reads in the logs and says there. Standard library only.
"""

import contextlib
import os
import sys
from typing import IO

# Unbuffered, so that nothing fails later, at exit.
Log = IO[bytes]
# Takes back a line that Snakemake's side keeps at the end of a terminal.
CLEAR = b"\r\x1b[K"


def copy(source: IO[bytes], log: Log) -> None:
    """Pass everything on to the log, line by line."""
    for line in iter(source.readline, b""):
        write(line, log)


def write(line: bytes, log: Log) -> None:
    """To the log; to the terminal where that cannot be, on a full disk say."""
    if not _written(line, log.fileno()):
        _written(line, sys.stderr.fileno())


def tell(line: bytes, log: Log) -> None:
    """To the log, and to the terminal with the log's name in front."""
    write(line, log)
    start = CLEAR if sys.stderr.isatty() else b""
    _written(start + os.fsencode(log.name) + b": " + line, sys.stderr.fileno())


def _written(line: bytes, descriptor: int) -> bool:
    # Neither a full disk nor a closed terminal may end the copying: the script would then block
    # for ever on its full pipe.
    with contextlib.suppress(OSError):
        while line:
            line = line[os.write(descriptor, line) :]
        return True
    return False
