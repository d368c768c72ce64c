"""Leases of a node's devices: first come, first served, and all of a request at once.

Every request queues up with a ticket file; every lease is a file that names its keys. A file
counts for exactly as long as somebody holds its kernel lock (flock), so whatever the death of a
process leaves behind is worth nothing, whoever killed it. Who looks at the files or adds one holds
the lock of their folder.

* Only the first in line looks at the devices. Everybody else sleeps in a blocking lock on the
  nearest earlier ticket whose keys overlap its own; requests without a common key never wait for
  each other.
* A large request at the head of the line holds back smaller ones behind it, though these might fit
  now. That is the price of a promise: were they let past, a request for four devices would starve
  for as long as requests for one keep coming.
* A key may have several holders, if all agree: it is joined only while it has fewer holders than
  the smallest share count among these and the newcomer. A request for several keys shares none.
* The emptiest keys are given first, so that jobs spread over the devices.

The folder is the node's, the same for every checkout and user, and sticky: nobody removes or
replaces a file of another user. Files are opened without following links, and created readable by
all; reading suffices to lock. Standard library only.
"""

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

# Another folder, say for tests, or where /tmp is not shared by all containers of a node.
FOLDER_VARIABLE = "PREFGRID_LEASES"
# Not tempfile's choice: that follows TMPDIR, and everybody must come to the same place.
FOLDER = "/tmp/prefgrid-leases"
POLL_SECONDS = 0.025
MAX_FILE_BYTES = 1 << 16
_FILE = re.compile(r"([0-9]+)\.(ticket|lease)")


class Lease(NamedTuple):
    """Granted keys. A process that inherits the descriptor keeps the lease alive."""

    keys: tuple[str, ...]
    descriptor: int
    file: str

    def release(self) -> None:
        """Give the keys back, unless another process holds the descriptor too."""
        os.close(self.descriptor)
        # The kernel has it back already; the rest is tidying up.
        with contextlib.suppress(OSError), _gate() as gate:
            if (survivor := _open_live(gate, self.file)) is not None:
                os.close(survivor)


def acquire(
    keys: Sequence[str],
    count: int,
    shares: int,
    on_wait: Callable[[int, bool], None] = lambda held, first: None,
) -> Lease:
    """Wait for `count` of `keys`, and hold them.

    shares: how many holders a key may have, this one included; counts for one key only.
    on_wait: called once, if the keys are not free at once, with the number of keys that somebody
        holds and whether the request is the first in line.
    ValueError if fewer keys exist than are asked for; OSError if the folder cannot be used.
    """
    if count > len(keys):
        raise ValueError(f"{count} asked for, {len(keys)} there; allowed: at most {len(keys)}")
    shares = shares if count == 1 else 1
    number, ticket = 0, None
    try:
        while True:
            # The kernel serves waiting locks in no order. One newcomer at a time, then, or a crowd of
            # them would keep the first in line from looking.
            newcomer = ticket is None
            with _entrance() if newcomer else contextlib.nullcontext(), _gate() as gate:
                files = _files(gate)
                number = number or 1 + max(map(max, filter(None, files.values())), default=0)
                ahead = _nearest_ahead(gate, [n for n in files["ticket"] if n < number], keys)
                holders = _holders(gate, files["lease"]) if ahead is None or newcomer else {}
                granted = None
                if ahead is None:
                    granted = choose(keys, holders, count, shares)
                if granted:
                    name = f"{number}.lease"
                    return Lease(granted, _create(gate, name, granted, shares), name)
                if newcomer:
                    ticket = _create(gate, f"{number}.ticket", keys, shares)
            if newcomer:
                on_wait(len(holders.keys() & set(keys)), ahead is None)
            if ahead is None:
                time.sleep(POLL_SECONDS)
            else:
                # Until that request is granted, given up or dead. Then look again: one further
                # ahead may still be waiting.
                try:
                    fcntl.flock(ahead, fcntl.LOCK_SH)
                finally:
                    os.close(ahead)
    finally:
        if ticket is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(folder() / f"{number}.ticket")
            os.close(ticket)


def choose(
    keys: Sequence[str], holders: dict[str, list[int]], count: int, shares: int
) -> tuple[str, ...] | None:
    """The emptiest `count` of `keys` that may be joined, in the order of `keys`, or None.

    holders: key → the share counts of those that hold it.
    """
    taken = {key: holders.get(key, []) for key in keys}
    free = [key for key, counts in taken.items() if len(counts) < min([shares, *counts])]
    chosen = sorted(free, key=lambda key: len(taken[key]))[:count]
    return tuple(key for key in keys if key in chosen) if len(chosen) == count else None


def folder() -> Path:
    """Where the tickets and leases of this node lie."""
    return Path(os.environ.get(FOLDER_VARIABLE) or FOLDER)


def _gate() -> contextlib.AbstractContextManager[int]:
    """Hold the lock of the leases' folder; yields the folder's descriptor."""
    return _locked(folder())


def _entrance() -> contextlib.AbstractContextManager[int]:
    """Hold the lock that newcomers take first, of a folder beside it."""
    return _locked(folder().with_name(f"{folder().name}-entrance"))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    while True:
        _make(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Somebody may have removed or replaced it before we had the lock.
            present = None
            with contextlib.suppress(FileNotFoundError):
                present = os.lstat(path)
            if present and os.path.samestat(os.fstat(descriptor), present):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _make(path: Path) -> None:
    # The mode has to be right from the first moment on: other users may be waiting for the folder.
    mask = os.umask(0)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o1777)
    finally:
        os.umask(mask)


def _files(gate: int) -> dict[str, list[int]]:
    """The numbers of the tickets and of the leases."""
    files: dict[str, list[int]] = {"ticket": [], "lease": []}
    for match in filter(None, map(_FILE.fullmatch, os.listdir(gate))):
        files[match[2]].append(int(match[1]))
    return files


def _create(gate: int, name: str, keys: Sequence[str], shares: int) -> int:
    """Write a file and hold its lock; its descriptor."""
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=gate)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(descriptor, 0o644)
        with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
            json.dump({"keys": list(keys), "shares": shares}, file)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_live(gate: int, name: str) -> int | None:
    """A descriptor of the file, if somebody holds it; a dead one's file is removed."""
    try:
        # Neither a link nor a pipe that somebody has put here may lead us on.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(name, flags, dir_fd=gate)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return descriptor
    os.close(descriptor)
    # Another user's stays until they come by: the folder is sticky.
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=gate)
    return None


def _read(descriptor: int) -> tuple[list[str], int]:
    """(keys, shares) of a file; no keys if it is none of ours."""
    try:
        entry = json.loads(os.pread(descriptor, MAX_FILE_BYTES, 0))
        return [str(key) for key in entry["keys"]], int(entry["shares"])
    except (OSError, ValueError, TypeError, KeyError):
        return [], 1


def _nearest_ahead(gate: int, earlier: list[int], keys: Sequence[str]) -> int | None:
    """A descriptor of the last of these tickets that is alive and overlaps `keys`."""
    for number in sorted(earlier, reverse=True):
        if (ticket := _open_live(gate, f"{number}.ticket")) is not None:
            if not set(keys).isdisjoint(_read(ticket)[0]):
                return ticket
            os.close(ticket)
    return None


def _holders(gate: int, numbers: list[int]) -> dict[str, list[int]]:
    """Key → the share counts of those that hold it, of these leases."""
    holders: dict[str, list[int]] = {}
    for number in numbers:
        if (lease := _open_live(gate, f"{number}.lease")) is not None:
            keys, shares = _read(lease)
            os.close(lease)
            for key in keys:
                holders.setdefault(key, []).append(shares)
    return holders
