"""Fork servers of this process, for the tests beside it."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

from prefgrid.run.preload import address, client

# A server with these starts at once, and forks like any other.
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
    """A folder `work` to run scripts in, and a server that is a child of this process."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.log = work / "fork_server.log"
        self.server: psutil.Process | None = None
        self._servers: list[subprocess.Popen] = []
        path = os.pathsep.join([*address.FIRST_PARTY, str(work / "of_the_user")])
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFGRID_")},
            "PYTHONPATH": path,
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
        }
        # Where a job runner looks for packages; pytest has folders of its own.
        command = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.path))"]
        self.path = json.loads(subprocess.check_output(command, env=self.environment))

    def launch(self) -> None:
        """Start a server as Snakemake does, and leave any earlier one."""
        name = f"prefgrid-test-{secrets.token_hex(8)}"
        with contextlib.chdir(self.work):
            found = client.start_server(name, sys.executable, self.environment, self.log)
        self._servers.append(found)
        self.environment[address.VARIABLE] = name
        self.server = psutil.Process(found.pid)

    def ended(self) -> bool:
        """Whether the last server has; it is reaped then."""
        return self._servers[-1].poll() is not None

    def script(self, body: str) -> Path:
        path = self.work / "scripts" / "script_under_test.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(body)
        return path

    def try_start(self, body: str, *arguments: str, **options) -> client.PreloadedScript | None:
        with contextlib.chdir(self.work), mock.patch.object(sys, "path", self.path):
            return client.start(self.script(body), arguments, self.environment, **options)

    def start(self, body: str, *arguments: str, **options) -> client.PreloadedScript:
        """The script, started by a server that is started if there is none, and waited for."""
        if self.server is None or self.ended():
            self.launch()
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
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return done.returncode, done.stdout.decode()

    def pid(self, role: str) -> int:
        """The process id that a process of this role wrote down, once it has."""
        until((self.work / role).exists, f"{role} did not start")
        return int((self.work / role).read_text())

    def end(self) -> None:
        for server in self._servers:
            keepers = [] if server.poll() is not None else psutil.Process(server.pid).children()
            for process in (server, *keepers):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            server.wait()
        for role in ("script", "grandchild"):
            if (self.work / role).exists() and not gone(process := self.pid(role)):
                psutil.Process(process).kill()


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
