"""The fork server: a script that it starts cannot tell, and whoever is killed leaves nothing."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from fork_servers import FEW_PACKAGES, GRANDCHILD, SLEEP, WRITE, ForkServers, gone, until

from prefgrid.run.preload import address, client, server

# All that a script can see of how it was started.
LOOK = """
import builtins, json, os, random, signal, sys, threading
import numpy
main = sys.modules["__main__"]
print(json.dumps({
    "arguments": sys.argv,
    "path": sys.path,
    "environment": dict(os.environ),
    "in C": {k: os.environb.get(k.encode()).decode() for k in ("PYTHONPATH", "HOME")},
    "folder": os.getcwd(),
    "umask": os.umask(0o022),
    "name": [__name__, __file__, main.__file__, main is sys.modules[__name__]],
    "input": [sys.stdin.read(), os.isatty(0)],
    "streams": [[s.encoding, s.errors, s.line_buffering, s.write_through] for s in (sys.stdout, sys.stderr)],
    "leader": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()],
    "handlers": {n: str(signal.getsignal(n)).split(" at ")[0] for n in sorted(signal.valid_signals())},
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "threads": [threading.active_count(), len(os.listdir("/proc/self/task"))],
    "flags": str(sys.flags),
    "hash": hash("a text"),
    "descriptors": len(os.listdir("/proc/self/fd")),
    "program": [name for name in sys.modules if name.startswith(("prefgrid", "server", "keeper"))],
    "limits": open("/proc/self/limits").read(),
}, indent=1))
print("to stderr", file=sys.stderr)
"""
ENDS = {
    "in order": "print('done')",
    "status": "import sys; sys.exit(7)",
    "large status": "raise SystemExit(-1)",
    "text": "raise SystemExit('no such thing')",
    "none": "import sys; print('no end', end=''); sys.exit()",
    "at once": "import os; print('now'); os._exit(5)",
    "error": "def inner():\n    raise ValueError('größer')\n\ntry:\n    inner()\nexcept ValueError as e:\n    raise KeyError('outer') from e",
    "syntax": "print('a'\n",
    "interrupt": "raise KeyboardInterrupt",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "aborted": "import os; os.abort()",
    "at exit": "import atexit, weakref\nclass A: pass\na = A()\nweakref.finalize(a, print, 'finalised')\natexit.register(print, 'last')\nprint('first')",
    "thread": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(.2), print('thread'))).start()\nprint('main')",
    "file": "file = open('written', 'w')\nfile.write('text')",
    "in C": "import ctypes\nctypes.CDLL(None).puts(b'from C')",
    "sessions": "import os\nprint(os.fork() and os.wait()[1])",
}


@pytest.fixture
def servers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "PACKAGES", FEW_PACKAGES)
    found = ForkServers(tmp_path)
    yield found
    found.end()


def test_a_script_sees_what_it_sees_in_a_plain_start(servers):
    words = ["--spec", '{"a": "größer"}', "--", "-h", ""]
    servers.environment["ODD"] = os.fsdecode(b"\xff=\n")
    os.umask(0o027)  # Snakemake's, so the server's too
    servers.launch()
    try:
        seen = [run(LOOK, *words) for run in (servers.plain, servers.preloaded)]
    finally:
        os.umask(0o022)
    assert seen[0][0] == seen[1][0] == 0, seen
    plain, preloaded = (json.loads(output.removesuffix("to stderr\n")) for _, output in seen)
    assert preloaded == plain
    assert (plain["umask"], plain["program"]) == (0o027, [])


@pytest.mark.parametrize("end", ENDS)
def test_a_script_ends_as_in_a_plain_start(servers, end):
    expected = servers.plain(ENDS[end])
    written = servers.work / "written"
    text = written.read_text() if written.exists() else None
    written.unlink(missing_ok=True)
    assert servers.preloaded(ENDS[end]) == expected
    assert (written.read_text() if written.exists() else None) == text


def test_ps_shows_the_scripts_command(servers):
    job = servers.start(SLEEP, "--spec", "a b")
    shown = psutil.Process(servers.pid("script")).cmdline()
    assert shown[:4] == [sys.executable, str(servers.script(SLEEP)), "--spec", "a b"]
    assert not any(shown[4:])
    job.signal_group(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    status, output = servers.preloaded("import sys; print(len(sys.argv[1]))", "x" * 100_000)
    assert (status, output) == (0, "100000\n")


def test_random_numbers_are_new_in_every_script(servers):
    body = "import random, uuid, numpy\nprint(random.random(), numpy.random.rand(), uuid.uuid4())"
    first, second = (servers.preloaded(body)[1].split() for _ in range(2))
    assert not set(first) & set(second)


def test_a_script_imports_the_programs_modules_as_they_are_now(servers):
    """Those of its own folder, whatever a server or an earlier script has imported."""
    module = servers.work / "scripts" / "prefgrid" / "__init__.py"
    body = "import prefgrid\nprint(prefgrid.VALUE)"
    servers.script(body)
    module.parent.mkdir()
    for value in ("1", "2"):
        module.write_text(f"VALUE = '{value * 9}{'!' * int(value)}'")
        assert (
            servers.preloaded(body)
            == servers.plain(body)
            == (0, f"{value * 9}{'!' * int(value)}\n")
        )


def test_nobody_waits_for_a_server_that_imports(servers, monkeypatch):
    """Its client starts the script itself, and the server never does."""
    (servers.work / "scripts").mkdir()
    servers.launch()
    servers.server.suspend()
    started = time.monotonic()
    assert servers.try_start("open('ran', 'w')") is None
    assert time.monotonic() - started < client.ANSWER_SECONDS
    servers.server.resume()
    assert servers.preloaded("print('ready')") == (0, "ready\n")
    assert not (servers.work / "ran").exists()


def test_without_a_server_nobody_starts_one(servers):
    assert servers.try_start("") is None
    assert not psutil.Process().children()


def test_a_server_that_cannot_start_says_why(servers, monkeypatch):
    monkeypatch.setattr(client, "PACKAGES", ("numpy", "no_such_package"))
    servers.launch()
    until(servers.ended, "the server stays")
    assert "Error" in servers.log.read_text()
    assert servers.try_start("") is None


def test_an_orphaned_server_does_not_start(servers, monkeypatch):
    """Its Snakemake may die before the server has asked to die with it."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    servers.launch()
    monkeypatch.undo()
    until(servers.ended, "the server stays")


def test_what_a_fork_would_break_is_refused():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="threads"):
            server.check_forkable()
    finally:
        done.set()
        thread.join()


def test_a_machine_that_cannot_watch_processes_is_refused(monkeypatch):
    """As on an old kernel or in a strict container: the keeper would fail with its script."""

    def refuse(_process: int) -> int:
        raise PermissionError("pidfd_open")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(PermissionError):
        server.check_forkable()


def test_where_the_surroundings_cannot_be_read_scripts_start_plainly(servers, monkeypatch):
    servers.preloaded("")

    def refuse(_which: int, _who: int) -> int:
        raise PermissionError("getpriority")

    monkeypatch.setattr(os, "getpriority", refuse)
    assert servers.try_start("") is None


def test_a_package_outside_the_environment_is_refused(servers, monkeypatch):
    """An editable install changes while its server lives."""
    (servers.work / "of_the_user").mkdir()
    (servers.work / "of_the_user" / "numpy.py").touch()
    servers.launch()
    until(servers.ended, "the server stays")
    assert "may change between jobs" in servers.log.read_text()


class TestSurroundings:
    """A script whose plain start would find something else is not the server's."""

    PRINT = (
        "import os, sys\nfrom prefgrid.run.preload import address\n"
        "sys.stdout.buffer.write(address.surroundings(os.environ))"
    )

    def changed(self, servers, **variables) -> bool:
        before = address.surroundings(servers.environment)
        return address.surroundings(servers.environment | variables) != before

    @pytest.mark.parametrize(
        ("variable", "expected"),
        [("HF_HUB_OFFLINE", True), ("HOME", True), ("LD_PRELOAD", True), ("TMPDIR", True)]
        + [("OMP_NUM_THREADS", False), ("PREFGRID_WORK", False), ("PYTEST_CURRENT_TEST", False)],
    )
    def test_a_variable_that_imports_may_read(self, servers, variable, expected):
        assert self.changed(servers, **{variable: "7"}) is expected

    def test_other_packages(self, servers):
        own, _, rest = servers.environment["PYTHONPATH"].partition(os.pathsep)
        assert not self.changed(servers, PYTHONPATH=rest)
        assert self.changed(servers, PYTHONPATH=f"{own}:/elsewhere")

    def test_an_installation(self, servers, monkeypatch, tmp_path):
        (tmp_path / "packages").mkdir()
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "packages")])
        before = address.surroundings(servers.environment)
        (tmp_path / "packages" / "torch-9.dist-info").mkdir()
        assert address.surroundings(servers.environment) != before

    def test_limits_and_the_like_of_a_job_s_own(self, servers):
        with open("/proc/self/status") as status:
            cpus = next(line for line in status if line.startswith("Cpus_allowed_list"))
        one = cpus.split()[1].partition(",")[0].partition("-")[0]
        wraps = ["", "ulimit -n 100;", "umask 077;", "cd /;", "nice -n 3", f"taskset -c {one}"]
        found = [
            subprocess.run(
                ["bash", "-c", f'{wrap} "$0" -c "$1"', sys.executable, self.PRINT],
                env=servers.environment,
                capture_output=True,
                check=True,
            ).stdout
            for wrap in ["", *wraps]
        ]
        assert found[0] == found[1]
        assert len(set(found)) == len(wraps) - (len(os.sched_getaffinity(0)) == 1)

    def test_another_interpreter(self, servers, monkeypatch):
        """As in an environment that Snakemake made for the job."""
        servers.preloaded("")
        monkeypatch.setattr(sys, "executable", "/elsewhere/python")
        assert servers.try_start("open('ran', 'w')") is None
        monkeypatch.undo()
        until(lambda: not servers.server.children(), "its keeper stays")
        assert not (servers.work / "ran").exists()


class TestKills:
    def test_descendants_end_with_a_script_that_succeeds(self, servers):
        job = servers.start(GRANDCHILD)
        assert job.wait() == 0
        assert gone(servers.pid("grandchild")) and gone(servers.pid("script"))

    def test_a_killed_script(self, servers):
        job = servers.start(GRANDCHILD + "time.sleep(60)")
        os.kill(servers.pid("script"), signal.SIGKILL)
        assert job.wait() == -signal.SIGKILL
        assert gone(servers.pid("grandchild"))

    def test_signals_reach_the_script(self, servers):
        handler = "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(3)))\n"
        job = servers.start(WRITE + handler + SLEEP)
        servers.pid("script")
        job.signal_group(signal.SIGTERM)
        assert (job.stdout.read(), job.wait()) == (b"saved\n", 3)

    def test_a_script_that_ignores_a_request_can_be_killed(self, servers):
        job = servers.start(
            "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP
        )
        servers.pid("script")
        job.signal_group(signal.SIGTERM)
        job.signal_group(signal.SIGKILL)
        assert job.wait() == -signal.SIGKILL

    def test_a_killed_client_takes_its_job_along(self, servers):
        script = servers.script(GRANDCHILD + "time.sleep(60)")
        servers.launch()
        code = (
            "import os, pathlib, sys, time\n"
            "from prefgrid.run.preload import client\n"
            "start = lambda: client.start(pathlib.Path(sys.argv[1]), [], dict(os.environ))\n"
            "while not (job := start()): time.sleep(0.02)\n"
            "job.wait()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, script], cwd=servers.work, env=servers.environment
        )
        everyone = [servers.pid("script"), servers.pid("grandchild")]
        assert not any(map(gone, everyone))
        process.kill()
        process.wait()
        until(lambda: all(map(gone, everyone)), "the job outlived its client")
        until(lambda: not servers.server.children(), "the keeper stays")

    def test_a_job_survives_its_server(self, servers):
        job = servers.start(
            f"{GRANDCHILD}sys.stdin.read()\nwhile not os.path.exists('go'): time.sleep(.02)\nsys.exit(4)"
        )
        servers.pid("script")
        servers.server.kill()
        until(servers.ended, "the server stays")
        assert servers.try_start("") is None
        (servers.work / "go").touch()
        assert job.wait() == 4
        assert gone(servers.pid("grandchild"))

    def test_a_script_dies_with_its_keeper(self, servers):
        job = servers.start(SLEEP)
        script = servers.pid("script")
        (keeper,) = servers.server.children()
        assert [child.pid for child in keeper.children()] == [script]
        keeper.kill()
        assert job.wait() == -signal.SIGKILL
        until(lambda: gone(script), "the script outlived its keeper")

    def test_a_server_that_does_not_answer_is_not_waited_for(self, servers, monkeypatch):
        """Nor does it ever run what it was asked for: by then the client has started it itself."""
        servers.preloaded("")
        server = servers.server
        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
        server.suspend()
        assert servers.try_start("open('ran', 'w')") is None
        server.resume()
        monkeypatch.undo()
        until(lambda: not server.children(), "its keeper stays")
        assert not (servers.work / "ran").exists()

    def test_descriptors_are_held_by_the_script_alone(self, servers):
        with open(servers.work / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            job = servers.start(SLEEP, descriptors=[lock.fileno()])
        with open(servers.work / "lock") as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.kill(servers.pid("script"), signal.SIGKILL)
            job.wait()
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_prompt_of_an_activated_environment_is_no_difference():
    """Activation exports PS1, which the shell of a job, being no interactive one, drops."""
    prompts = {"PS1": "(.venv) ", "PS2": "> "}
    assert address.server_environment(prompts) == address.server_environment({})
