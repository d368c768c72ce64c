"""Run one workflow script under supervision: `run_job.py --log FILE SCRIPT [ARGUMENTS]`.

The supervisor
* dies with its parent, Snakemake, however that dies, and takes every descendant with it,
* waits for what an earlier, killed run of the same job has left,
* leases the devices the job asks for, and keeps them until its last descendant is gone,
* copies the script's output to the rule's log,
* forwards signals, and ends with the script's own exit status,
* starts the script itself, or has the fork server do it (`prefgrid/run/preload`),
* sets what must be set before Python imports torch: threads, visible devices, offline mode.

Standard library only, so that it costs milliseconds. Linux only (prctl).
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prefgrid.run import (
    device_pool,
    execution,
    job_lock,
    job_log,
    leases,
    outer_launcher,
    supervision,
)
from prefgrid.run.preload import client

# A script's process, started here or by the fork server.
Script = supervision.Script | client.PreloadedScript
# Writes a line of the supervisor's own to the log.
Say = Callable[[str], None]


def main() -> int:
    """Supervise one script; return the exit status."""
    options = _options()
    supervision.die_with_parent(os.environ.get(execution.PARENT_VARIABLE))
    supervision.end_on_signals()
    path = Path(options.log)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab", buffering=0) as log:
            return _run(options, log)
    except OSError as error:
        sys.exit(f"error: {error}")


def _run(options: argparse.Namespace, log: job_log.Log) -> int:
    def say(text: str) -> None:
        job_log.write(f"{text}\n".encode(), log)

    def tell(text: str) -> None:
        job_log.tell(f"{text}\n".encode(), log)

    work = job_lock.work_folder(Path(options.log))
    lock = job_lock.hold(work, tell)
    with contextlib.suppress(OSError):  # a device such as /dev/null has no length
        log.truncate(0)
    status = 1
    try:
        with _devices(options.gpus, say) as (names, lease):
            environment = _environment(options, work, names)
            child = _start(options, environment, (lock, *lease))
            status = _supervise(Path(options.script).name, child, log, say)
    except (OSError, ValueError) as error:
        say(f"error: {error}")
    finally:
        job_lock.let_go(work, lock, done=status == 0)
    return status


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run one workflow script under supervision.")
    parser.add_argument("--log", required=True, help="file that receives the script's output")
    parser.add_argument("--gpus", type=int, default=0, help="devices to lease for the job")
    parser.add_argument("--online", action="store_true", help="the job may reach the hub")
    parser.add_argument("script", help="file below this program's folder, without its ending")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args()


@contextlib.contextmanager
def _devices(count: int, say: Say) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Lease devices; yields their names for CUDA_VISIBLE_DEVICES and descriptors to inherit."""
    if count == 0:
        yield [], ()
        return
    pool = device_pool.pool(os.environ, device_pool.installed)
    if count > len(pool):
        # Computing on the CPU instead would take days, and nobody would be told.
        raise ValueError(
            f"this job asks for {count} device(s), {len(pool)} can be seen; set "
            f"execution.gpus_per_job to at most that, or to 0 to run on the CPU"
        )

    def on_wait(held: int, first: bool) -> None:
        place = "first in line" if first else "others are before us"
        say(f"waiting for {count} device(s) of {len(pool)}: {held} held, {place}")

    started = time.monotonic()
    keys = [device.key for device in pool]
    lease = leases.acquire(keys, count, execution.setting("jobs_per_gpu", 1), on_wait)
    try:
        names = [device.name for device in pool if device.key in lease.keys]
        waited = time.monotonic() - started
        say(f"leased device(s) {', '.join(names)} after {waited:.1f} s")
        yield names, (lease.descriptor,)
    finally:
        lease.release()


def _environment(options: argparse.Namespace, work: Path, devices: list[str]) -> dict[str, str]:
    threads = execution.setting("torch_threads_of", {}).get(
        Path(options.script).name, execution.setting("torch_threads", 1)
    )
    environment = {
        **outer_launcher.without(os.environ),
        "OMP_NUM_THREADS": str(threads),
        execution.THREADS_VARIABLE: str(threads),
        execution.GPUS_VARIABLE: str(options.gpus),
        execution.WORK_VARIABLE: str(work),
        "CUDA_VISIBLE_DEVICES": ",".join(devices),
        **execution.ENVIRONMENT,
    }
    return environment if options.online else environment | execution.OFFLINE


def _start(
    options: argparse.Namespace, environment: dict[str, str], descriptors: tuple[int, ...]
) -> Script:
    """The script's process, or with several devices the launcher of one process for each."""
    launcher = []
    if options.gpus > 1:
        from prefgrid.run import elastic_worker

        launcher = ["-m", "torch.distributed.run", "--standalone"]
        launcher += ["--nproc-per-node", str(options.gpus)]
        launcher += ["--module", elastic_worker.__name__]
        environment = elastic_worker.environment(environment)
    script = Path(__file__).parent / f"{options.script}.py"
    # Not on a device, which nobody may have touched before a fork, nor where the hub is in reach.
    if options.gpus == 0 and not options.online:
        preloaded = client.start(script, options.arguments, environment, descriptors=descriptors)
        if preloaded is not None:
            return preloaded
    supervision.adopt_descendants()
    return supervision.Script(
        [sys.executable, *launcher, str(script), *options.arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # What the job holds it goes on holding as long as the script lives, come what may.
        pass_fds=descriptors,
        # If this supervisor is itself killed outright, the script must not outlive it.
        preexec_fn=supervision.be_killed_with_parent,
    )


def _supervise(script: str, child: Script, log: job_log.Log, say: Say) -> int:
    """Wait for the script and whatever it has started; return the exit status."""
    received = supervision.forward_signals(child.signal_group)
    copier = threading.Thread(target=job_log.copy, args=(child.stdout, log), daemon=True)
    copier.start()
    status = child.wait()
    supervision.end_descendants(signal.SIGTERM if status == 0 and not received else signal.SIGKILL)
    copier.join(supervision.GRACE_SECONDS)
    if status < 0:
        hint = "; out of memory?" if status == -signal.SIGKILL and not received else ""
        say(f"error: {script} was ended by {signal.Signals(-status).name}{hint}")
        return 128 - status
    return status


if __name__ == "__main__":
    sys.exit(main())
