"""Life and death of a job's processes: nobody outlives the parent, and nobody is left behind.

Standard library only, but for the rare case that a script leaves processes. Linux only (prctl).
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
GRACE_SECONDS = 5.0

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: str | None) -> None:
    """Get SIGTERM when the parent dies; end at once if it is not `parent` (a process id) any more."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # It may have died before the line above took effect.
    if parent and os.getppid() != int(parent):
        sys.exit("error: Snakemake is gone; this job would be an orphan")


def be_killed_with_parent() -> None:
    """Get SIGKILL when the parent dies, however that happens."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_descendants() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_on_signals() -> None:
    """Until a script runs, a request to end is an orderly exit at once."""

    def handle(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    for number in _heeded():
        signal.signal(number, handle)


class Script(subprocess.Popen):
    """A script's process, which leads a process group of its own."""

    def signal_group(self, number: int) -> None:
        """Send a signal to the script and all that stayed in its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def forward_signals(signal_group: Callable[[int], None]) -> list[int]:
    """Pass requests to end on by `signal_group`, and then SIGKILL if that does not help.

    Returns the list that received signals are added to.
    """
    received: list[int] = []

    def handle(number: int, _frame: object) -> None:
        if not received:
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        received.append(number)
        signal_group(number)

    def kill(_number: int, _frame: object) -> None:
        signal_group(signal.SIGKILL)

    for number in _heeded():
        signal.signal(number, handle)
    signal.signal(signal.SIGALRM, kill)
    return received


def end_descendants(first: signal.Signals) -> None:
    """End and reap whatever the script left behind; as sub-reaper we inherit all of it."""
    if not _has_children():
        return
    import psutil

    # Three looks, because a process may start another between being found and being killed.
    for number in (first, signal.SIGKILL, signal.SIGKILL):
        left = psutil.Process().children(recursive=True)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(left, timeout=GRACE_SECONDS)


def _heeded() -> list[signal.Signals]:
    """ENDING, but for what `nohup` or a shell's background start has switched off for all of a run.

    SIGTERM is always heeded: the parent's death arrives as one.
    """
    return [
        number
        for number in ENDING
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN
    ]


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
