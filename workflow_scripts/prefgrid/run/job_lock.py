"""One process at a time works on a job, and what a killed one has left waits for the next.

A killed Snakemake may leave a job behind for a moment. Its rerun waits until that job's last process
that inherited the lock is gone. The lock is a file beside the job's work folder; the log would not
do, since Snakemake removes it before each start. Standard library only.
"""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

# What file systems that know no locks say, some cluster file systems among them.
LOCKLESS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


def work_folder(log: Path) -> Path:
    """`results/logs/<job>.log` → `results/work/<job>`; `<job>.work` beside a log elsewhere."""
    parts = list(log.with_suffix("").parts)
    folders = [place for place, part in enumerate(parts[:-1]) if part == "logs"]
    if not folders:
        return log.with_suffix(".work")
    parts[folders[-1]] = "work"
    return Path(*parts)


def hold(work: Path, say: Callable[[str], None]) -> int:
    """Lock the job of this work folder, which need not exist; returns the lock's descriptor.

    Who inherits the descriptor keeps the lock. say: gets a line if another process has the lock.
    """
    path = _lock_file(work)
    while True:
        # Another job that ends may remove an empty parent at any moment before the file is there.
        with contextlib.suppress(FileNotFoundError):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            _lock(lock, path, say)
            # The one before us has removed it in leaving, unless it was killed.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(path)):
                    return lock
            os.close(lock)


def let_go(work: Path, lock: int, *, done: bool) -> None:
    """Give the lock back. done: nothing is left to resume, so remove the work folder too."""
    if done:
        shutil.rmtree(work, ignore_errors=True)
    path = _lock_file(work)
    with contextlib.suppress(OSError):
        # Neither a survivor's lock may go nor that of a rerun which has been waiting for ours.
        os.close(lock)
        lock = os.open(path, os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(lock), os.stat(path)):
            return  # a rerun has come and gone since, and this file is another's
        path.unlink()
        for folder in path.parents:
            folder.rmdir()  # fails at the first that is not empty


def _lock_file(work: Path) -> Path:
    return work.with_name(f"{work.name}.lock")


def _lock(lock: int, path: Path, say: Callable[[str], None]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for an earlier run of this job, which still holds {path}")
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise
        say(f"warning: cannot lock {path} ({error.strerror}): run one Snakemake at a time")
