"""Which Snakemake runs are alive in a folder, so that a killed one does not lock it for ever.

Snakemake lists a run's files in `.snakemake/locks` and takes the lists away when it ends. A killed
run leaves them, and the next start refuses to run until somebody calls `--unlock`. So each run also
holds a kernel file lock, which ends with its process however that ends: a run that gets the lock
exclusively is alone, and lists that it finds are a dead run's.
"""

import contextlib
import fcntl
import json
import os
import socket
from pathlib import Path

from prefgrid.files import store

NAME = "prefgrid.lock"
# Snakemake's own: the lists, and a record of every output whose job is not finished.
LISTS = "locks"
INCOMPLETE = "incomplete"


def hold(folder: Path, host: str | None = None) -> None:
    """Share the run lock of `folder` (.snakemake) until this process ends; remove dead runs' lists.

    For runs that execute jobs themselves: dry runs lock nothing, and a cluster's jobs are part of
    their main run. Does nothing in a folder that cannot be written or where files have no locks.
    host: this machine's name. Some network file systems keep locks within a machine, so lists are
    left alone while runs of another may be alive.
    """
    host = host or socket.gethostname()
    try:
        folder.mkdir(exist_ok=True)
        # Never closed, since closing would end the lock; and no job inherits it. Open for reading too:
        # over NFS nobody shares a lock without.
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        if _alone(descriptor):
            _remove_lists(folder, host)
        # Blocks only for the moment in which another run looks at the lists.
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.write(descriptor, f"{host}\n".encode())
    except OSError as error:
        store.log(f"no run lock in {folder} ({error}); after a kill call snakemake --unlock")


def _alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_lists(folder: Path, host: str) -> None:
    """Called while no other run of this machine is alive. The lock's file names the runs' hosts."""
    lists = sorted((folder / LISTS).glob("*.lock"))
    elsewhere = sorted(set((folder / NAME).read_text(encoding="utf-8").split()) - {host})
    submitted = sorted(_submitted_jobs(folder))
    if lists and (elsewhere or submitted):
        who = f"a run on {', '.join(elsewhere)}" if elsewhere else f"job {', '.join(submitted)}"
        text = f"{folder / LISTS} is kept, since {who} may be alive"
        store.log(f"{text}; when none is, call snakemake --unlock")
        return
    for path in lists:
        path.unlink(missing_ok=True)
    if lists:
        store.log(f"removed the locks that a killed run left in {folder / LISTS}")
    os.truncate(folder / NAME, 0)


def _submitted_jobs(folder: Path) -> set[str]:
    """A cluster's numbers of unfinished jobs: unlike local ones they outlive a killed Snakemake."""
    numbers = set()
    for path in (folder / INCOMPLETE).rglob("*"):
        # The kill may have cut a record.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            numbers.add(json.loads(path.read_text(encoding="utf-8"))["external_jobid"])
    return {str(number) for number in numbers - {None}}
