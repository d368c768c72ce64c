"""Fork servers with little to import, in a private folder, for the tests beside it."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

from prefgrid.run.preload import address, client

# They start at once, and fork like any other.
FEW_PACKAGES = ("numpy", "psutil")
WRITE = (
    "import os, signal, subprocess, sys, time\n"
    "def write(name, value):\n"
    "    open(name + '.part', 'w').write(str(value))\n"
    "    os.replace(name + '.part', name)\n"
)
# A child in a session of its own that ignores polite requests.
GRANDCHILD = (
    f"{WRITE}"
    "code = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)'\n"
    "child = subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n"
    "write('grandchild', child.pid)\n"
    "write('script', os.getpid())\n"
)
SLEEP = f"{WRITE}write('script', os.getpid())\ntime.sleep(60)\n"


class ForkServers:
    """A private folder for servers, and the folder `work` to run scripts in."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.path: list[str] | None = None
        # Not in `work`: a socket's path must be short.
        self.runtime = Path(tempfile.mkdtemp(prefix="fork-", dir="/tmp"))
        path = os.pathsep.join([*address.FIRST_PARTY, str(work / "of_the_user")])
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFGRID_")},
            "XDG_RUNTIME_DIR": str(self.runtime),
            "PYTHONPATH": path,
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
        }

    @property
    def address(self) -> address.Address:
        return address.address(self.environment)

    def script(self, body: str) -> Path:
        path = self.work / "scripts" / "script_under_test.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(body)
        return path

    def try_start(self, body: str, *arguments: str, **options) -> client.PreloadedScript | None:
        with mock.patch.object(sys, "path", self.path or sys.path):
            return client.start(self.script(body), arguments, self.environment, **options)

    def share_with_job_runner(self) -> None:
        """Look for packages where another program would, which pytest does not."""
        command = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.path))"]
        self.path = json.loads(subprocess.check_output(command, env=self.environment))

    def start(self, body: str, *arguments: str, **options) -> client.PreloadedScript:
        """The script, started by a server that is waited for."""
        return until(lambda: self.try_start(body, *arguments, **options), "no server")

    def preloaded(self, body: str, *arguments: str) -> tuple[int, str]:
        """(exit status, output) of a script's run."""
        job = self.start(body, *arguments)
        output = job.stdout.read().decode()
        return job.wait(), output

    def plain(self, body: str, *arguments: str) -> tuple[int, str]:
        """(exit status, output) of the same script as the job runner starts it without a server.

        What a background job of a shell ignores, the runner handles, so its script does not.
        """
        done = subprocess.run(
            ["env", "--default-signal", sys.executable, str(self.script(body)), *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return done.returncode, done.stdout.decode()

    def processes(self) -> list[psutil.Process]:
        """Servers and keepers, which have the same command line."""
        mark = f"{self.runtime}/"
        return [p for p in psutil.process_iter() if mark in " ".join(_words(p)[:3])]

    def server(self) -> psutil.Process:
        """The one that is not another's child."""
        parents = {}
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                parents[process] = process.ppid()
        pids = {process.pid for process in parents}
        (server,) = [process for process, parent in parents.items() if parent not in pids]
        return server

    def pid(self, role: str) -> int:
        """The process id that a process of this role wrote down, once it has."""
        until((self.work / role).exists, f"{role} did not start")
        return int((self.work / role).read_text())

    def end(self) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for role in ("script", "grandchild"):
            if (self.work / role).exists() and not gone(process := self.pid(role)):
                psutil.Process(process).kill()
        shutil.rmtree(self.runtime)


def until(found: Callable[[], Any], failure: str, seconds: float = 180.0) -> Any:
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, failure
        time.sleep(0.02)
    return value


def gone(process: int) -> bool:
    """Whether a process has ended; an unreaped one has."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
