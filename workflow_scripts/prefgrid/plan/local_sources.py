"""What a local source holds, as a short text: so a model or data set that is made anew under its path is
fetched anew, and so is what follows.

Planning asks at every start, so gigabytes must cost milliseconds. A small source is hashed whole. Of a
large file there count its size, the time of its last change, and blocks spread evenly over it: a
program that restores times after a change would have to leave all of those as they were.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from prefgrid.config.hub import HubSource
from prefgrid.files import artifacts

# Its key in the spec of the job that fetches the source.
CONTENT = "source_content"
# Of sources up to this size, 20 ms at 1.5 GB/s, all bytes count and times do not: a fresh clone of
# a repository that holds its data is no change.
WHOLE_BYTES = 32 * 2**20
# Of each file of a larger source, the first and the last among them.
BLOCKS = 16
BLOCK_BYTES = 4096


def signature(source: str) -> str | None:
    """Text of 32 hex digits that changes with what a local file or folder holds; None if there is no such
    path, so that `source` is the hub's. OSError if it cannot be read, or is an empty folder.

    A folder's files count with their names below it, those in its folders too. Hidden ones do not,
    which loaders never read, nor our own records, which say when and how a file was made.
    """
    root = Path(source)
    if not root.exists():
        return None
    found = sorted(_files(root))
    if not found:
        raise OSError(f"{source}: an empty folder")
    states = [os.stat(path) for _, path in found]
    whole = sum(state.st_size for state in states) <= WHOLE_BYTES
    digest = hashlib.sha256()
    for (name, path), state in zip(found, states, strict=True):
        size = state.st_size
        all_of_it = whole or size <= BLOCKS * BLOCK_BYTES
        digest.update(f"{name}\0{size}\0{0 if all_of_it else state.st_mtime_ns}\0".encode())
        with open(path, "rb", buffering=0) as file:
            if all_of_it:
                digest.update(hashlib.file_digest(file, "sha256").digest())
            else:
                for block in range(BLOCKS):
                    file.seek(block * (size - BLOCK_BYTES) // (BLOCKS - 1))
                    digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()[:32]


def origin(source: HubSource) -> dict[str, Any]:
    """What a section of the config names, and what that holds if it is here: the spec of who fetches it."""
    content = _known(source.source)
    return source.model_dump() | ({} if content is None else {CONTENT: content})


# Planning asks again for each of a folder's files.
_known = cache(signature)


def _files(root: Path) -> Iterator[tuple[str, str]]:
    """(name below the root, path) of what counts; of a file the root itself, without a name."""
    if root.is_file():
        yield "", str(root)
        return
    seen = set()  # a link may lead to a folder above it
    for folder, below, names in os.walk(root, onerror=_refuse, followlinks=True):
        seen.add(os.path.realpath(folder))
        below[:] = [
            name
            for name in below
            if _counts(name) and os.path.realpath(os.path.join(folder, name)) not in seen
        ]
        for name in filter(_counts, names):
            path = os.path.join(folder, name)
            yield os.path.relpath(path, root), path


def _counts(name: str) -> bool:
    return not name.startswith((".", artifacts.RECORD))


def _refuse(error: OSError) -> None:
    raise error
