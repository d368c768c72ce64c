"""The lock of Snakemake runs: dead runs' lists go, living runs' stay. Real small processes."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prefgrid.plan import run_lock

SCRIPTS = Path(__file__).resolve().parents[3] / "workflow_scripts"
RUN = """
import subprocess, sys, time
from pathlib import Path
from prefgrid.plan import run_lock
run_lock.hold(Path(sys.argv[1]), sys.argv[2])
if "job" in sys.argv:
    job = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(job.pid)
print("held", flush=True)
time.sleep(60)
"""


class Run:
    """A process that holds the run lock of a folder."""

    def __init__(self, folder: Path, host: str, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(folder), host, *words],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.job = int(self.process.stdout.readline()) if "job" in words else None
        assert self.process.stdout.readline() == "held\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path):
    runs = []

    def start(*words: str) -> Run:
        runs.append(Run(tmp_path, *words))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()
        if run.job is not None:
            os.kill(run.job, signal.SIGKILL)


def leave_lists(folder: Path) -> list[str]:
    (folder / "locks").mkdir(exist_ok=True)
    for name in ("0.input.lock", "0.output.lock", "1.input.lock"):
        (folder / "locks" / name).write_text("results/a\n")
    return lists(folder)


def lists(folder: Path) -> list[str]:
    return sorted(os.listdir(folder / "locks"))


def test_a_killed_run_s_lists_go_with_one_line(tmp_path, start, capfd):
    start("here").kill()
    leave_lists(tmp_path)
    start("here")
    assert lists(tmp_path) == []
    assert capfd.readouterr().err.count("removed the locks that a killed run left") == 1


def test_a_living_run_s_lists_stay_also_when_another_ended(tmp_path, start, capfd):
    start("here")
    expected = leave_lists(tmp_path)
    start("here").kill()
    start("here")
    assert lists(tmp_path) == expected
    assert capfd.readouterr().err == ""


def test_the_last_of_several_runs_counts(tmp_path, start):
    runs = [start("here") for _ in range(3)]
    expected = leave_lists(tmp_path)
    for run in runs[:2]:
        run.kill()
    start("here").kill()
    assert lists(tmp_path) == expected
    runs[2].kill()
    start("here")
    assert lists(tmp_path) == []


def test_a_job_that_outlives_its_run_holds_nothing(tmp_path, start):
    start("here", "job").kill()
    leave_lists(tmp_path)
    start("here")
    assert lists(tmp_path) == []


def test_a_run_of_another_machine_may_be_alive(tmp_path, start, capfd):
    start("there").kill()
    expected = leave_lists(tmp_path)
    start("here").kill()
    start("here").kill()
    assert lists(tmp_path) == expected
    assert "a run on there may be alive; when none is, call snakemake --unlock" in (
        capfd.readouterr().err
    )
    # The other machine's run, or the user, has taken its lists away: all runs of then are over.
    for name in expected:
        (tmp_path / "locks" / name).unlink()
    start("here").kill()
    leave_lists(tmp_path)
    start("here")
    assert lists(tmp_path) == []


@pytest.mark.parametrize(
    ("record", "kept"),
    [('{"external_jobid": "417"}', True), ('{"external_jobid": null}', False), ("", False)],
)
def test_jobs_on_a_cluster_outlive_their_run(tmp_path, capfd, record, kept):
    """Files of long names lie deeper; a local run's records name no job, or were cut by the kill."""
    for name in ("cmVzdWx0cw==", "@cmVzdWx0cy9s/b25n"):
        path = tmp_path / "incomplete" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record)
    left = leave_lists(tmp_path)
    run_lock.hold(tmp_path)
    assert lists(tmp_path) == (left if kept else [])
    assert ("since job 417 may be alive" in capfd.readouterr().err) == kept


def test_a_second_reading_of_the_snakefile_in_one_process_changes_nothing(tmp_path):
    run_lock.hold(tmp_path)
    expected = leave_lists(tmp_path)
    run_lock.hold(tmp_path)
    assert lists(tmp_path) == expected


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOLCK])
def test_a_folder_without_locks_is_said_and_no_error(tmp_path, monkeypatch, capfd, number):
    """Read-only, or on a file system that has no locks."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(run_lock.fcntl, "flock", refuse)
    run_lock.hold(tmp_path)
    error = capfd.readouterr().err
    assert "no run lock in" in error and os.strerror(number) in error


def test_the_folder_is_made(tmp_path):
    run_lock.hold(tmp_path / ".snakemake")
    assert (tmp_path / ".snakemake" / run_lock.NAME).is_file()
