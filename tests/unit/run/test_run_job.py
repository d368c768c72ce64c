"""The supervisor of every job: output, exit status, signals, and no process left behind."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from prefgrid.run import job_lock

RUN_JOB = Path(__file__).resolve().parents[3] / "workflow_scripts" / "run_job.py"
# A child in a session of its own that ignores polite requests, like a data loader gone wild.
GRANDCHILD = (
    "import os, signal, subprocess, sys, time\n"
    "code = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)'\n"
    "child = subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n"
    "open('grandchild.part', 'w').write(str(child.pid))\n"
    "os.replace('grandchild.part', 'grandchild')\n"
    "open('script.part', 'w').write(str(os.getpid()))\n"
    "os.replace('script.part', 'script')\n"
)

# A fork of the script that leaves its session, beyond the reach of a dead supervisor.
FORK = (
    "import os, time\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    open('grandchild.part', 'w').write(str(os.getpid()))\n"
    "    os.replace('grandchild.part', 'grandchild')\n"
    "time.sleep(60)"
)


@pytest.fixture
def folder(request, tmp_path):
    """A folder with the supervisor, its patience shortened. Ends what a failed test leaves.

    With the parameter "preloaded" the supervisor finds a fork server, which has little to import.
    """
    shutil.copy(RUN_JOB, tmp_path)
    run = tmp_path / "prefgrid" / "run"
    shutil.copytree(RUN_JOB.parent / "prefgrid" / "run", run)
    for module in (
        "__init__",
        "plan/__init__",
        "plan/job_environment",
        "plan/places",
        "files/__init__",
        "files/formats",
    ):
        (tmp_path / "prefgrid" / module).parent.mkdir(exist_ok=True)
        shutil.copy(RUN_JOB.parent / f"prefgrid/{module}.py", tmp_path / f"prefgrid/{module}.py")
    replace(run / "supervision.py", r"GRACE_SECONDS = 5\.0", "GRACE_SECONDS = 0.5")
    preloaded = getattr(request, "param", "plain") == "preloaded"
    with fork_server(tmp_path) if preloaded else contextlib.nullcontext():
        yield tmp_path
    for name in ("script", "grandchild", "supervisor"):
        if (tmp_path / name).exists() and not gone(process := pid(tmp_path, name)):
            os.kill(process, signal.SIGKILL)


@contextlib.contextmanager
def fork_server(folder: Path) -> Iterator[None]:
    """A server for the supervisors in `folder`, a child of a process in Snakemake's place."""
    replace(
        folder / "prefgrid/run/preload/client.py",
        r"(?s)PACKAGES = \(.*?\n\)",
        'PACKAGES = ("psutil",)',
    )
    code = (
        "import os, sys\n"
        "from prefgrid.plan import job_environment\n"
        "job_environment.start_server()\n"
        "print(os.environ['PREFGRID_SERVER'], flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env=clean_environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as snakemake:
        name = snakemake.stdout.readline().strip()
        wait_for(lambda: name in Path("/proc/net/unix").read_text(), "no fork server")
        (folder / "server_name").write_text(name)
        yield


def clean_environment(folder: Path) -> dict[str, str]:
    """Ours without what an outer run has set, with what Snakemake sets."""
    outer = ("PREFGRID_", "CUDA_VISIBLE_DEVICES")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(outer)}
    clean["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), clean["PATH"]])
    clean |= dict.fromkeys(("TMPDIR", "TMP", "TEMPDIR", "TEMP"), tempfile.gettempdir())
    return clean | {"PREFGRID_LEASES": str(folder / "leases")}


def replace(path: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, path.read_text())
    assert count == 1
    path.write_text(text)


# A script's life is the same however it is started.
both_ways = pytest.mark.parametrize("folder", ["plain", "preloaded"], indirect=True)


def start(folder: Path, body: str, *options: str, env=None, **pipes) -> subprocess.Popen:
    (folder / "script_under_test.py").write_text(body)
    pipes.setdefault("stderr", subprocess.PIPE)
    # The last of two logs counts.
    command = [sys.executable, "run_job.py", "--log", "logs/job.log", *options, "script_under_test"]
    clean = clean_environment(folder)
    if (folder / "server_name").exists():
        clean["PREFGRID_SERVER"] = (folder / "server_name").read_text()
        clean["PREFGRID_PARENT"] = str(os.getpid())
    return subprocess.Popen(command, cwd=folder, env=clean | (env or {}), **pipes)


def finish(folder: Path, body: str, *options: str, env=None) -> tuple[int, str, str]:
    """(exit status, terminal, log) of a script's run."""
    process = start(folder, body, *options, env=env)
    terminal = process.communicate(timeout=30)[1].decode()
    return process.returncode, terminal, (folder / "logs" / "job.log").read_text()


def pid(folder: Path, name: str) -> int:
    """The process id that a process of this role wrote down, once it has."""
    wait_for((folder / name).exists, f"{name} did not start")
    return int((folder / name).read_text())


def lines_of(path: Path, count: int) -> list[str]:
    """The first lines of a file, once it has as many."""
    wait_for(lambda: _text(path).count("\n") >= count, f"too few lines in {path}")
    return _text(path).splitlines()[:count]


def wait_for(condition, failure: str, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, failure
        time.sleep(0.02)


def gone(process: int) -> bool:
    """Whether a process has ended; an unreaped one has."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@both_ways
def test_output_goes_to_the_log_and_not_to_the_terminal(folder):
    body = (
        "import sys\nprint('to stdout')\nprint('größer', file=sys.stderr)\nprint('no end', end='')"
    )
    status, terminal, log = finish(folder, body)
    assert (status, terminal) == (0, "")
    assert sorted(log.splitlines()) == sorted(["to stdout", "größer", "no end"])


def test_output_appears_while_the_script_runs(folder):
    process = start(folder, "import time\nprint('started')\ntime.sleep(60)")
    wait_for(lambda: "started" in _text(folder / "logs/job.log"), "no output in the log")
    process.terminate()
    process.communicate(timeout=15)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@both_ways
@pytest.mark.parametrize("status", [0, 1, 7])
def test_the_exit_status_is_passed_on(folder, status):
    assert finish(folder, f"raise SystemExit({status})")[0] == status


def test_arguments_are_passed_on_untouched(folder):
    body = "import json, sys\nprint(json.dumps(sys.argv[1:]))"
    words = ["--log", "other", "--gpus", "x", "--spec", '{"a": 1}', "--", "-h"]
    (folder / "script_under_test.py").write_text(body)
    done = subprocess.run(
        [sys.executable, "run_job.py", "--log", "job.log", "script_under_test", *words],
        cwd=folder,
        capture_output=True,
    )
    assert json.loads((folder / "job.log").read_text()) == words
    assert done.returncode == 0


@both_ways
def test_a_killed_script_is_reported(folder):
    body = "import os\nprint('working')\nos.kill(os.getpid(), 9)"
    status, terminal, log = finish(folder, body)
    assert status == 128 + signal.SIGKILL
    assert terminal == ""
    message = "error: script_under_test was ended by SIGKILL; out of memory?"
    assert log.splitlines() == ["working", message]


@both_ways
def test_sigterm_is_forwarded_and_reported(folder):
    body = GRANDCHILD + "time.sleep(60)"
    process = start(folder, body)
    script, grandchild = pid(folder, "script"), pid(folder, "grandchild")
    process.terminate()
    process.communicate(timeout=15)
    assert process.returncode == 128 + signal.SIGTERM
    assert gone(script) and gone(grandchild)
    assert "ended by SIGTERM" in (folder / "logs/job.log").read_text()
    assert "memory" not in (folder / "logs/job.log").read_text()


@both_ways
def test_a_script_may_end_in_order_on_sigterm(folder):
    body = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(3)))\n"
        "open('script.part', 'w').write(str(os.getpid()))\n"
        "os.replace('script.part', 'script')\n"
        "time.sleep(60)"
    )
    process = start(folder, body)
    pid(folder, "script")
    process.terminate()
    process.communicate(timeout=15)
    assert process.returncode == 3
    assert (folder / "logs/job.log").read_text() == "saved\n"


@both_ways
def test_a_script_that_ignores_sigterm_is_killed(folder):
    body = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + GRANDCHILD
    process = start(folder, body + "time.sleep(60)")
    script, grandchild = pid(folder, "script"), pid(folder, "grandchild")
    process.terminate()
    process.communicate(timeout=15)
    assert process.returncode == 128 + signal.SIGKILL
    assert gone(script) and gone(grandchild)


@both_ways
def test_a_run_under_nohup_survives_its_terminal(folder):
    body = GRANDCHILD + "while not os.path.exists('go'): time.sleep(.02)\nprint('end')"
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start(folder, body)
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    pid(folder, "script")
    process.send_signal(signal.SIGHUP)
    (folder / "go").touch()
    process.communicate(timeout=15)
    assert _text(folder / "logs/job.log") == "end\n"
    assert process.returncode == 0


@both_ways
def test_grandchildren_end_with_a_script_that_succeeds(folder):
    status, _, _ = finish(folder, GRANDCHILD)
    assert status == 0
    assert gone(pid(folder, "grandchild"))


def test_everything_ends_when_the_parent_is_killed_outright(folder):
    """Parent (in Snakemake's place) → supervisor → script → grandchild; the parent gets SIGKILL."""
    (folder / "script_under_test.py").write_text(GRANDCHILD + "time.sleep(60)")
    parent = (
        "import os, subprocess, sys\n"
        "os.environ['PREFGRID_PARENT'] = str(os.getpid())\n"
        "words = [sys.executable, 'run_job.py', '--log', 'job.log', 'script_under_test']\n"
        "job = subprocess.Popen(words)\n"
        "open('supervisor', 'w').write(str(job.pid))\n"
        "job.wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=folder)
    everyone = [pid(folder, name) for name in ("script", "grandchild", "supervisor")]
    assert not any(map(gone, everyone))
    process.kill()
    process.wait()
    wait_for(lambda: all(map(gone, everyone)), "a process outlived its Snakemake", seconds=8)


def test_the_script_dies_with_a_supervisor_killed_outright(folder):
    process = start(folder, GRANDCHILD + "time.sleep(60)")
    script = pid(folder, "script")
    process.kill()
    process.communicate(timeout=15)
    wait_for(lambda: gone(script), "the script outlived its supervisor", seconds=5)
    os.kill(pid(folder, "grandchild"), signal.SIGKILL)  # beyond anybody's reach by then


def test_an_orphaned_supervisor_does_not_start(folder):
    status, terminal = 1, "error: Snakemake is gone; this job would be an orphan\n"
    process = start(folder, "open('ran', 'w')", env={"PREFGRID_PARENT": "1"})
    assert process.communicate(timeout=15)[1].decode() == terminal
    assert process.returncode == status
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("sink", ["log", "both"])
def test_an_unwritable_log_stops_no_script_and_the_terminal_gets_the_output(folder, sink):
    """More output than a pipe holds: whoever stopped reading would block the script for ever."""
    body = "print('x' * 99 + '\\n', end='' )\n" + "for _ in range(3000): print('x' * 99)"
    (folder / "logs").mkdir()
    (folder / "logs" / "job.log").symlink_to("/dev/full")
    if sink == "log":
        process = start(folder, body)
        output = process.communicate(timeout=30)[1]
        assert output == b"x" * 99 + b"\n" + (b"x" * 99 + b"\n") * 3000
    else:
        reading, writing = os.pipe()
        process = start(folder, body, stderr=writing)
        os.close(reading)
        os.close(writing)
        process.wait(timeout=30)
    assert process.returncode == 0


class TestDevices:
    """Of a made-up pool: the supervisor never looks whether a device that it is told of exists."""

    def test_more_than_there_are_is_an_error_and_not_run_on_the_cpu(self, folder):
        status, terminal, log = finish(
            folder, "open('ran', 'w')", "--gpus", "2", env={"CUDA_VISIBLE_DEVICES": "5"}
        )
        assert (status, terminal) == (1, "")
        assert log == (
            "error: this job asks for 2 device(s), 1 can be seen; set execution.gpus_per_job "
            "to at most that, or to 0 to run on the CPU\n"
        )
        assert not (folder / "ran").exists()

    def test_two_jobs_get_two_devices(self, folder):
        body = "import os, time\nprint(os.environ['CUDA_VISIBLE_DEVICES'])\ntime.sleep(60)"
        pool = {"CUDA_VISIBLE_DEVICES": "4,7"}
        jobs = [
            start(folder, body, "--log", f"{name}.log", "--gpus", "1", env=pool) for name in "ab"
        ]
        output = [lines_of(folder / f"{name}.log", 2) for name in "ab"]
        for job in jobs:
            job.terminate()
            job.communicate(timeout=15)
        assert {lines[1] for lines in output} == {"4", "7"}
        assert {lines[0][:18] for lines in output} == {"leased device(s) 4", "leased device(s) 7"}

    def test_a_waiting_job_says_so_gets_its_turn_and_ends_at_once_on_sigterm(self, folder):
        pool = {"CUDA_VISIBLE_DEVICES": "0"}
        body = "import time\nprint('works')\ntime.sleep(60)"
        first, second, third = (
            start(folder, body, "--log", f"{name}.log", "--gpus", "1", env=pool)
            for name in self.in_turn(folder, 3)
        )
        assert lines_of(folder / "job2.log", 1) == [
            "waiting for 1 device(s) of 1: 1 held, others are before us"
        ]
        third.terminate()
        assert third.wait(timeout=5) == 128 + signal.SIGTERM
        assert second.poll() is None
        first.kill()  # its script dies with it, and its lease with that
        waiting, leased = lines_of(folder / "job1.log", 2)
        assert waiting.startswith("waiting for 1 device(s)")
        assert leased.startswith("leased device(s) 0 after")
        second.terminate()
        for job in (first, second, third):
            job.communicate(timeout=15)

    def in_turn(self, folder, count):
        """Names of jobs, each given out when the one before holds its device or queues for it."""
        for number in range(count):
            yield f"job{number}"
            wait_for((folder / f"job{number}.log").exists, "the job did not start")
            wait_for((folder / f"job{number}.log").read_text, "the job said nothing")

    def test_the_lease_outlives_a_supervisor_killed_outright(self, folder):
        """A fork of the script inherits the lease, and is beyond the reach of anybody's death."""
        pool = {"CUDA_VISIBLE_DEVICES": "0"}
        first = start(folder, FORK, "--gpus", "1", env=pool, stderr=subprocess.DEVNULL)
        survivor = pid(folder, "grandchild")
        first.kill()
        first.wait()
        words = ("--log", "other.log", "--gpus", "1")
        second = start(folder, "print('works')", *words, env=pool)
        (waiting,) = lines_of(folder / "other.log", 1)
        assert waiting.startswith("waiting for 1 device(s) of 1: 1 held, first")
        os.kill(survivor, signal.SIGKILL)
        assert second.wait(timeout=15) == 0
        assert _text(folder / "other.log").endswith("works\n")


class TestSeveralDevices:
    """One process a device, through torch's launcher."""

    POOL = {"CUDA_VISIBLE_DEVICES": "0,1,2"}

    def test_every_process_runs_the_script_and_the_first_one_is_heard(self, folder):
        body = (
            "import os, sys\n"
            "rank = os.environ['RANK']\n"
            "here = os.path.dirname(os.path.abspath(__file__))\n"
            "assert __name__ == '__main__' and sys.path[0] == here\n"
            "open(rank, 'w').write(os.environ['CUDA_VISIBLE_DEVICES'])\n"
            "print('rank', rank, 'of', os.environ['WORLD_SIZE'], sys.argv[1:])"
        )
        (folder / "script_under_test.py").write_text(body)
        status, _, log = finish(folder, body, "--gpus", "2", env=self.POOL)
        assert status == 0, log
        assert log.splitlines()[1:] == ["rank 0 of 2 []"]
        assert [(folder / rank).read_text() for rank in "01"] == ["0,1", "0,1"]

    def test_the_reason_of_another_process_is_shown(self, folder):
        body = (
            "import os, time\n"
            "print('progress', flush=True)\n"
            "if os.environ['RANK'] == '1': raise SystemExit('error: no room here')\n"
            "time.sleep(60)"
        )
        status, _, log = finish(folder, body, "--gpus", "2", env=self.POOL)
        assert status == 1
        assert "output of process 1:\nprogress\n" in log
        assert "error: no room here\n" in log

    def test_no_process_survives_a_supervisor_killed_outright(self, folder):
        body = (
            "import os, time\n"
            "role = ['script', 'grandchild'][int(os.environ['RANK'])]\n"
            "open('part' + role, 'w').write(str(os.getpid()))\n"
            "os.replace('part' + role, role)\n"
            "time.sleep(60)"
        )
        job = start(folder, body, "--gpus", "2", env=self.POOL, stderr=subprocess.DEVNULL)
        everyone = [pid(folder, name) for name in ("script", "grandchild")]
        job.kill()
        job.wait()
        wait_for(lambda: all(map(gone, everyone)), "a process outlived its supervisor", seconds=8)


class TestLockAndWorkFolder:
    LOG = ("--log", "results/logs/rule/seed=0/n=1.5.log")
    WORK = Path("results/work/rule/seed=0/n=1.5")
    KEEP = (
        "import os, pathlib, sys\n"
        "work = pathlib.Path(os.environ['PREFGRID_WORK'])\n"
        "print(work, work.exists())\n"
        "work.mkdir(exist_ok=True)\n"
        "(work / 'state').write_text('half')\n"
    )

    def run(self, folder, body):
        process = start(folder, body, *self.LOG)
        process.communicate(timeout=30)
        return process.returncode, (folder / self.LOG[1]).read_text()

    def test_state_stays_after_a_failure_and_goes_after_success(self, folder):
        assert self.run(folder, self.KEEP + "sys.exit(3)") == (3, f"{self.WORK} False\n")
        assert [path.name for path in (folder / self.WORK).parent.iterdir()] == ["n=1.5"]
        assert self.run(folder, self.KEEP) == (0, f"{self.WORK} True\n")
        assert not (folder / "results" / "work").exists()

    def test_only_empty_folders_go(self, folder):
        other = folder / "results/work/rule/seed=1/n=2"
        other.mkdir(parents=True)
        assert self.run(folder, self.KEEP)[0] == 0
        assert other.exists() and not (folder / self.WORK.parent).exists()

    def test_a_job_waits_for_the_survivors_of_an_earlier_run(self, folder):
        """Though Snakemake removes the log before it starts a job again."""
        first = start(folder, FORK, *self.LOG, stderr=subprocess.DEVNULL)
        survivor = pid(folder, "grandchild")
        first.kill()
        first.wait()
        (folder / self.LOG[1]).unlink()
        second = start(folder, "print('works')", *self.LOG)
        lock = f"{self.WORK}.lock"
        text = f"{self.LOG[1]}: waiting for an earlier run of this job, which still holds {lock}\n"
        assert second.stderr.readline().decode() == text
        third = start(folder, "print('works')", *self.LOG)
        assert third.stderr.readline().decode() == text
        third.terminate()
        assert third.wait(timeout=5) == 128 + signal.SIGTERM
        os.kill(survivor, signal.SIGKILL)
        assert (second.communicate(timeout=15)[1], second.returncode) == (b"", 0)
        assert _text(folder / self.LOG[1]) == "works\n"
        assert not (folder / "results" / "work").exists()

    def test_the_lock_file_of_a_later_run_stays(self, tmp_path, monkeypatch):
        """Who leaves may be overtaken by a rerun that ends too, and by another that starts."""
        lock = job_lock.hold(tmp_path / "work" / "job", print)
        path = tmp_path / "work" / "job.lock"

        def overtaken(descriptor: int, operation: int, flock=fcntl.flock) -> None:
            path.unlink()
            path.touch()
            flock(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", overtaken)
        job_lock.let_go(tmp_path / "work" / "job", lock, done=True)
        assert path.exists()

    def test_a_log_that_cannot_be_written_is_one_clear_line(self, folder):
        (folder / "results").write_text("in the way")
        process = start(folder, "", *self.LOG)
        assert process.communicate(timeout=15)[1].decode().startswith("error: [Errno ")
        assert process.returncode == 1


class TestEnvironment:
    BODY = "import json, os\nprint(json.dumps(dict(os.environ)))"

    def environment(self, folder: Path, *options: str, **env: str) -> dict[str, str]:
        status, _, log = finish(folder, self.BODY, *options, env=env)
        assert status == 0, log
        return json.loads(log)

    def test_without_gpus_no_device_is_visible(self, folder):
        assert self.environment(folder, CUDA_VISIBLE_DEVICES="0,1")["CUDA_VISIBLE_DEVICES"] == ""

    def test_devices_are_named_as_the_pool_names_them(self, folder):
        status, _, log = finish(
            folder, self.BODY, "--gpus", "1", env={"CUDA_VISIBLE_DEVICES": "MIG-1a,GPU-2b"}
        )
        found = json.loads(log.splitlines()[-1])
        assert (status, found["CUDA_VISIBLE_DEVICES"]) == (0, "MIG-1a")
        assert (found["PREFGRID_GPUS"], found["CUDA_DEVICE_ORDER"]) == ("1", "PCI_BUS_ID")

    def test_threads_come_from_the_execution_section(self, folder):
        execution = json.dumps({"torch_threads": 3, "torch_threads_of": {"other": 2}})
        found = self.environment(folder, PREFGRID_EXECUTION=execution, OMP_NUM_THREADS="64")
        assert (found["PREFGRID_THREADS"], found["OMP_NUM_THREADS"]) == ("3", "3")

    def test_a_script_may_have_threads_of_its_own(self, folder):
        of = {"torch_threads": 3, "torch_threads_of": {"script_under_test": 2}}
        found = self.environment(folder, PREFGRID_EXECUTION=json.dumps(of))
        assert (found["PREFGRID_THREADS"], found["OMP_NUM_THREADS"]) == ("2", "2")

    def test_by_hand_without_snakemake_one_thread(self, folder):
        assert self.environment(folder)["PREFGRID_THREADS"] == "1"

    def test_only_jobs_that_fetch_may_reach_the_hub(self, folder):
        assert self.environment(folder)["HF_HUB_OFFLINE"] == "1"
        assert self.environment(folder, HF_HUB_OFFLINE="0")["HF_HUB_OFFLINE"] == "1"
        assert self.environment(folder, "--online", HF_HUB_OFFLINE="1")["HF_HUB_OFFLINE"] == "1"
        assert self.environment(folder, "--online", HF_HUB_OFFLINE="0")["HF_HUB_OFFLINE"] == "0"


def test_the_supervisor_needs_no_installed_package_to_start(folder):
    """A bare interpreter, without site-packages: start-up stays at milliseconds."""
    (folder / "script_under_test.py").write_text("print('done')")
    command = [
        sys.executable,
        "-E",
        "-s",
        "-S",
        "run_job.py",
        "--log",
        "job.log",
        "script_under_test",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "job.log").read_text() == "done\n"


@pytest.mark.parametrize("folder", ["preloaded"], indirect=True)
@pytest.mark.parametrize(
    ("options", "changes", "expected"),
    [
        ((), {}, True),
        (("--online",), {}, False),
        (("--gpus", "1"), {"CUDA_VISIBLE_DEVICES": "0"}, False),
        ((), {"PREFGRID_SERVER": ""}, False),  # by hand, by another executor, or not wanted
    ],
)
def test_only_local_jobs_without_devices_come_from_the_fork_server(
    folder, options, changes, expected
):
    body = "import os\nprint(open(f'/proc/{os.getppid()}/cmdline').read())"
    status, _, log = finish(folder, body, *options, env=changes)
    assert status == 0
    assert ("server.py" in log) is expected
    assert ("run_job.py" in log) is not expected
