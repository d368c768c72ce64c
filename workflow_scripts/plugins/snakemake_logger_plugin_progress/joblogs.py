"""What the logs of a job say that a person should see: its warnings, its last error."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

# Our own scripts' lines, with the clock in front or without.
WARNING = re.compile(r"^(?:\[[\d:]+\] )?(warning: .*)$")
ERROR = re.compile(r"^(?:\[[\d:]+\] )?(error: .*)$")
# An error stands at the end, and what a library prints may be long.
TAIL_BYTES = 64 * 2**10


def warnings(logs: Iterable[str]) -> list[str]:
    """Each warning once, in the order in which they came."""
    found = (WARNING.match(line) for log in logs for line in _lines(log))
    return list(dict.fromkeys(match[1] for match in found if match))


def last_error(logs: Iterable[str]) -> str:
    """The last line that says error, of the first log that has one; else the last line of all."""
    texts = [[line for line in _lines(log, TAIL_BYTES) if line.strip()] for log in logs]
    for lines in texts:
        found = [match[1] for line in lines if (match := ERROR.match(line))]
        if found:
            return found[-1]
    return next((lines[-1].strip() for lines in texts if lines), "")


def _lines(log: str, tail: int | None = None) -> Iterator[str]:
    try:
        with Path(log).open("rb") as file:
            if tail is not None:
                file.seek(max(0, file.seek(0, 2) - tail))
            yield from (line.decode("utf-8", "replace").rstrip("\r\n") for line in file)
    except OSError:  # never written, or on another machine
        return
