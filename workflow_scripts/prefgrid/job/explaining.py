"""The one line that a failed job ends with: what happened, where, and what to do about it."""

import errno
import os
import re
import shutil
from pathlib import Path

INERT = True

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
# Libraries that write by themselves tell the system's error in their text alone.
ERROR_NUMBER = re.compile(r"(?:os error|errno:?) (\d+)", re.IGNORECASE)
MEMORY = re.compile(r"can't allocate memory|out of memory|bad_alloc|cannot allocate", re.IGNORECASE)


def explained(error: Exception, folder: Path) -> str:
    """One line about `error`, which ended a job that writes to `folder`."""
    text = " ".join(str(error).split()) or type(error).__name__
    number = _number(error, text)
    place = getattr(error, "filename", None) or folder
    if number in FULL:
        return (
            f"{folder}: no space is left to write ({text}; {_free(folder)}). Free some, or raise "
            "the quota or file size limit, and run again; what was finished is kept"
        )
    if number in FORBIDDEN:
        return (
            f"{place}: {os.strerror(number)}. Make the folder readable and writable for this user "
            "and run again; what was finished is kept"
        )
    if is_out_of_memory(error) and "out of memory" not in text.lower():
        return f"out of memory: {text}. Give the job more, or run fewer at once (--cores, --jobs)"
    return text


def is_out_of_memory(error: Exception) -> bool:
    """Whether an allocator gave up: Python's, numpy's, torch's on the CPU or on a device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and bool(MEMORY.search(str(error)))


def _number(error: Exception, text: str) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = ERROR_NUMBER.search(text)
    return int(found[1]) if found else None


def _free(folder: Path) -> str:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return f"{shutil.disk_usage(existing).free / 2**20:.1f} MiB free there"
