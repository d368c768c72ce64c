"""The supervisor of every job: output, exit status, signals, and no process left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import run_job

RUN_JOB = Path(__file__).resolve().parents[2] / "workflow_scripts" / "run_job.py"
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


@pytest.fixture
def folder(tmp_path):
    """A folder with the supervisor, its patience shortened and its devices in devices/.

    Ends what a failed test leaves.
    """
    text = RUN_JOB.read_text()
    changes = {
        "GRACE_SECONDS = 5.0": "GRACE_SECONDS = 0.5",
        'DEVICE_FOLDER = Path("/dev")': 'DEVICE_FOLDER = Path("devices")',
    }
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "run_job.py").write_text(text)
    (tmp_path / "prefgrid").symlink_to(RUN_JOB.parent / "prefgrid")
    yield tmp_path
    for name in ("script", "grandchild", "supervisor"):
        if (tmp_path / name).exists() and not gone(process := pid(tmp_path, name)):
            os.kill(process, signal.SIGKILL)


def start(folder: Path, body: str, *options: str, env=None, **pipes) -> subprocess.Popen:
    (folder / "script_under_test.py").write_text(body)
    pipes.setdefault("stderr", subprocess.PIPE)
    command = [sys.executable, "run_job.py", "--log", "logs/job.log", *options, "script_under_test"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PREFGRID_")}
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


def test_output_goes_to_the_log_and_to_the_terminal(folder):
    body = (
        "import sys\nprint('to stdout')\nprint('größer', file=sys.stderr)\nprint('no end', end='')"
    )
    status, terminal, log = finish(folder, body)
    assert status == 0
    assert log == terminal
    assert sorted(log.splitlines()) == sorted(["to stdout", "größer", "no end"])


def test_output_appears_while_the_script_runs(folder):
    process = start(folder, "import time\nprint('started')\ntime.sleep(60)")
    wait_for(lambda: "started" in _text(folder / "logs/job.log"), "no output in the log")
    assert process.stderr.readline() == b"started\n"
    process.terminate()
    process.communicate(timeout=15)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


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


def test_a_killed_script_is_reported(folder):
    body = "import os\nprint('working')\nos.kill(os.getpid(), 9)"
    status, terminal, log = finish(folder, body)
    assert status == 128 + signal.SIGKILL
    assert log == terminal
    message = "error: script_under_test was ended by SIGKILL; out of memory?"
    assert log.splitlines() == ["working", message]


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


def test_a_script_that_ignores_sigterm_is_killed(folder):
    body = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + GRANDCHILD
    process = start(folder, body + "time.sleep(60)")
    script, grandchild = pid(folder, "script"), pid(folder, "grandchild")
    process.terminate()
    process.communicate(timeout=15)
    assert process.returncode == 128 + signal.SIGKILL
    assert gone(script) and gone(grandchild)


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


@pytest.mark.parametrize("sink", ["log", "terminal"])
def test_an_unwritable_sink_stops_neither_script_nor_other_sink(folder, sink):
    """More output than a pipe holds: whoever stopped reading would block the script for ever."""
    body = "print('x' * 99 + '\\n', end='' )\n" + "for _ in range(3000): print('x' * 99)"
    if sink == "log":
        (folder / "logs").mkdir()
        (folder / "logs" / "job.log").symlink_to("/dev/full")
        process = start(folder, body)
        output = process.communicate(timeout=30)[1]
    else:
        reading, writing = os.pipe()
        process = start(folder, body, stderr=writing)
        os.close(reading)
        os.close(writing)
        process.wait(timeout=30)
        output = (folder / "logs/job.log").read_bytes()
    assert process.returncode == 0
    assert output == b"x" * 99 + b"\n" + (b"x" * 99 + b"\n") * 3000


def give_devices(folder: Path, *names: str) -> None:
    (folder / "devices").mkdir(exist_ok=True)
    for name in names:
        (folder / "devices" / name).touch()


@pytest.mark.parametrize(
    ("files", "visible", "expected"),
    [
        ((), None, False),
        (("nvidiactl", "nvidia-uvm"), None, False),  # the driver without a device
        (("nvidia0",), None, True),
        (("nvidia10",), "3", True),
        (("dxg",), None, True),
        (("nvidia0",), "", False),
        (("nvidia0",), "-1", False),
        (("nvidia0",), "0,1", True),
        ((), "0", False),
    ],
)
def test_visible_devices(tmp_path, files, visible, expected):
    give_devices(tmp_path, *files)
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert run_job.device_is_visible(tmp_path / "devices", environment) is expected


def test_a_job_that_asks_for_absent_devices_is_refused_and_not_run_on_the_cpu(folder):
    status, terminal, log = finish(folder, "open('ran', 'w')", "--gpus", "2")
    assert status == 1
    assert (
        log
        == terminal
        == (
            "error: this job asks for 2 device(s), none is visible; "
            "set execution.gpus_per_job: 0 to run on the CPU\n"
        )
    )
    assert not (folder / "ran").exists()


class TestEnvironment:
    BODY = "import json, os\nprint(json.dumps(dict(os.environ)))"

    def environment(self, folder: Path, *options: str, **env: str) -> dict[str, str]:
        status, _, log = finish(folder, self.BODY, *options, env=env)
        assert status == 0, log
        return json.loads(log)

    def test_without_gpus_no_device_is_visible(self, folder):
        assert self.environment(folder, CUDA_VISIBLE_DEVICES="0,1")["CUDA_VISIBLE_DEVICES"] == ""

    def test_with_gpus_the_devices_stay_as_given(self, folder):
        give_devices(folder, "nvidia0")
        found = self.environment(folder, "--gpus", "1", CUDA_VISIBLE_DEVICES="3")
        assert found["CUDA_VISIBLE_DEVICES"] == "3"

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

    def test_the_script_reads_the_thread_count_where_the_runner_puts_it(self):
        from prefgrid import devices

        assert run_job.THREADS_VARIABLE == devices.THREADS_VARIABLE

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
    assert (done.returncode, done.stderr) == (0, "done\n")
