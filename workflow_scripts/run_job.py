"""Run one workflow script under supervision: `run_job.py --log FILE SCRIPT [ARGUMENTS]`.

The supervisor
* dies with its parent, Snakemake, however that dies, and takes every descendant with it,
* copies the script's output to the rule's log and to the terminal,
* forwards signals, and ends with the script's own exit status,
* sets what must be set before Python imports torch: threads, visible devices, offline mode.

Standard library only, so that it costs milliseconds. Linux only (prctl).
"""

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from prefgrid import execution

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 5.0
# Set by the Snakefile: Snakemake's process id.
PARENT_VARIABLE = "PREFGRID_PARENT"
# Set for the script: how many threads it may compute with.
THREADS_VARIABLE = "PREFGRID_THREADS"
GPUS_VARIABLE = "PREFGRID_GPUS"
# Where the driver shows its devices: on Linux, and on Linux inside Windows.
DEVICE_FOLDER = Path("/dev")
DEVICE_FILES = ("nvidia[0-9]*", "dxg")

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    """Supervise one script; return the exit status."""
    options = _options()
    _die_with_parent()
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    log_path = Path(options.log)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).with_name(f"{options.script}.py")
    command = [sys.executable, str(script), *options.arguments]
    with open(log_path, "wb", buffering=0) as log:
        # Computing on the CPU instead would take days, and nobody would be told.
        if options.gpus and not device_is_visible(DEVICE_FOLDER, os.environ):
            text = f"this job asks for {options.gpus} device(s), none is visible"
            hint = "set execution.gpus_per_job: 0 to run on the CPU"
            _emit(f"error: {text}; {hint}\n".encode(), log)
            return 1
        child = subprocess.Popen(
            command,
            env=_environment(options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # If this supervisor is itself killed outright, the script must not outlive it.
            preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )
        received = _forward_signals(child)
        copier = threading.Thread(target=_copy, args=(child.stdout, log), daemon=True)
        copier.start()
        status = child.wait()
        _end_descendants(signal.SIGTERM if status == 0 and not received else signal.SIGKILL)
        copier.join(GRACE_SECONDS)
        if status < 0:
            text = f"{options.script} was ended by {signal.Signals(-status).name}"
            hint = "; out of memory?" if status == -signal.SIGKILL and not received else ""
            _emit(f"error: {text}{hint}\n".encode(), log)
            return 128 - status
        return status


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", required=True, help="file that receives the script's output")
    parser.add_argument("--gpus", type=int, default=0, help="devices the job may use")
    parser.add_argument("--online", action="store_true", help="the job may reach the hub")
    parser.add_argument("script", help="file stem beside this program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args()


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the line above took effect.
    parent = os.environ.get(PARENT_VARIABLE)
    if parent and os.getppid() != int(parent):
        sys.exit("error: Snakemake is gone; this job would be an orphan")


def device_is_visible(folder: Path, environment: Mapping[str, str]) -> bool:
    """Whether the machine has an NVIDIA device and CUDA_VISIBLE_DEVICES does not hide them all."""
    if environment.get("CUDA_VISIBLE_DEVICES", "all").split(",")[0].strip() in ("", "-1"):
        return False
    return any(path for pattern in DEVICE_FILES for path in folder.glob(pattern))


def _environment(options: argparse.Namespace) -> dict[str, str]:
    threads = execution.setting("torch_threads_of", {}).get(
        options.script, execution.setting("torch_threads", 1)
    )
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        THREADS_VARIABLE: str(threads),
        GPUS_VARIABLE: str(options.gpus),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "Agg",
    }
    if not options.online:
        environment["HF_HUB_OFFLINE"] = "1"
        # Loading local files takes a moment; its bars would only break up our progress lines.
        environment["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    if options.gpus == 0:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment


def _forward_signals(child: subprocess.Popen) -> list[int]:
    """Pass termination on to the script, and kill it if it does not end; return what was received."""
    received: list[int] = []

    def handle(number: int, _frame: object) -> None:
        if not received:
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        received.append(number)
        _signal_group(child.pid, number)

    def kill(_number: int, _frame: object) -> None:
        _signal_group(child.pid, signal.SIGKILL)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handle)
    signal.signal(signal.SIGALRM, kill)
    return received


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _end_descendants(first: signal.Signals) -> None:
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


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _copy(source: IO[bytes], log: IO[bytes]) -> None:
    for line in iter(source.readline, b""):
        _emit(line, log)


def _emit(line: bytes, log: IO[bytes]) -> None:
    # Neither a full disk nor a closed terminal may end the copying: the script would then block
    # for ever on its full pipe. Unbuffered, so that nothing fails later, at exit.
    for descriptor in (log.fileno(), sys.stderr.fileno()):
        left = line
        with contextlib.suppress(OSError):
            while left:
                left = left[os.write(descriptor, left) :]


if __name__ == "__main__":
    sys.exit(main())
