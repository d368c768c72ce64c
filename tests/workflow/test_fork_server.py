"""A fork server's life: started by the Snakemake that runs jobs, for these jobs, and gone with it."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.workflow.conftest import SNAKEMAKE, copy_sources, environment

# The workflow's own start of server and jobs, with little to import and other jobs.
SNAKEFILE = """
import os, sys
configfile: "config.yaml"
sys.path.insert(0, os.path.join(workflow.basedir, "workflow_scripts"))
include: "rules/common.smk"
from prefgrid.run.preload import client
client.PACKAGES = ("psutil",)

rule second:
    input: "{name}.first"
    output: "{name}.second"
    log: "logs/{name}.second.log"
    shell: "exec python -m run_job --log {log} record {output}"

rule first:
    output: "{name}.first"
    log: "logs/{name}.first.log"
    shell: "exec python -m run_job --log {log} record {output}"

rule nested:
    output: "{name}.nested"
    run:
        import time
        open(output[0] + ".started", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.02)
        with open(output[0], "w") as file:
            file.write(os.environ.get("PREFGRID_SERVER", "none"))
"""
# Writes down whose child it is.
RECORD = """
import os, sys, time
words = open(f"/proc/{os.getppid()}/cmdline").read().split("\\0")
open(sys.argv[1] + ".started", "w").close()
while not os.path.exists("go"):
    time.sleep(0.02)
open(sys.argv[1], "w").write(" ".join(words[:3]))
"""


class Runs:
    """Snakemake runs in one folder; their jobs end once the file `go` exists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[psutil.Popen] = []

    def start(self, *words: str) -> psutil.Popen:
        run = psutil.Popen(
            [*SNAKEMAKE, "--cores", "2", "--nolock", *words],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        self.started.append(run)
        return run

    def go(self) -> None:
        (self.folder / "go").touch()

    def server(self, run: psutil.Popen) -> tuple[psutil.Process, str]:
        """The run's one server, once it listens, and its name."""
        (server,) = until(lambda: servers_of(run), "no server")
        name = words_of(server)[2]
        until(lambda: listens(name), "the server does not listen")
        return server, name

    def made(self, name: str) -> str:
        return (self.folder / name).read_text()

    def end(self) -> None:
        for run in self.started:
            with contextlib.suppress(psutil.NoSuchProcess):
                run.kill()
            run.wait()


@pytest.fixture
def runs(tmp_path) -> Iterator[Runs]:
    folder = tmp_path / "repository"
    copy_sources(folder)
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "workflow_scripts" / "record.py").write_text(RECORD)
    found = Runs(folder)
    yield found
    found.end()


def test_a_job_comes_from_the_server_of_its_run(runs):
    run = runs.start("a.second")
    until((runs.folder / "a.first.started").exists, "no job")
    server, name = runs.server(run)
    runs.go()
    assert run.wait() == 0
    assert name in runs.made("a.second")
    until(lambda: not server.is_running(), "the server outlived its run")
    assert not listens(name)
    assert (runs.folder / "results/logs/fork_server.log").read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_its_snakemake(runs, number):
    run = runs.start("a.first")
    server, name = runs.server(run)
    run.send_signal(number)
    if number == signal.SIGTERM:
        runs.go()  # it ends when its jobs have
    run.wait()
    until(lambda: not server.is_running(), "the server outlived its run", seconds=10)
    assert not listens(name)


def test_a_server_that_still_imports_ends_too(runs):
    (runs.folder / "Snakefile").write_text(SNAKEFILE.replace('"psutil",', '"torch",'))
    run = runs.start("a.first")
    server = until(lambda: servers_of(run), "no server")[0]
    run.kill()
    run.wait()
    until(lambda: not server.is_running(), "the server outlived its run", seconds=2)


def test_a_run_goes_on_without_a_killed_server(runs):
    run = runs.start("a.second", "b.second")
    until((runs.folder / "a.first.started").exists, "no job")
    runs.server(run)[0].kill()
    runs.go()
    assert run.wait() == 0
    assert all("run_job" in runs.made(f"{name}.second") for name in "ab")


def test_two_runs_have_a_server_each(runs):
    both = [runs.start(f"{name}.second") for name in "ab"]
    names = [runs.server(run)[1] for run in both]
    assert names[0] != names[1]
    runs.go()
    assert [run.wait() for run in both] == [0, 0]
    for name, job in zip(names, "ab", strict=True):
        assert name in runs.made(f"{job}.second")


def test_a_snakemake_that_is_a_job_starts_none(runs):
    run = runs.start("a.nested")
    runs.server(run)
    until((runs.folder / "a.nested.started").exists, "no job")
    assert len(servers_of(run, recursive=True)) == 1
    runs.go()
    assert run.wait() == 0
    assert runs.made("a.nested") == "none"


@pytest.mark.parametrize(
    "words",
    [
        ("a.first", "--dry-run"),
        ("a.first", "--configfile", "off.yaml"),
        ("done",),  # nothing to do
        ("a.first", "--lint"),
    ],
)
def test_some_runs_start_none(runs, words):
    (runs.folder / "done").touch()
    (runs.folder / "off.yaml").write_text("execution: {preload: false}")
    runs.go()
    runs.start(*words).wait()
    assert (runs.folder / "a.first").exists() == ("--configfile" in words)
    assert not (runs.folder / "results/logs/fork_server.log").exists()


def servers_of(run: psutil.Process, recursive: bool = False) -> list[psutil.Process]:
    return [child for child in run.children(recursive) if "server.py" in words_of(child)[1]]


def words_of(process: psutil.Process) -> list[str]:
    try:
        return [*process.cmdline(), "", "", ""]
    except psutil.Error:
        return ["", "", ""]


def listens(name: str) -> bool:
    return name in Path("/proc/net/unix").read_text()


def until(found: Callable[[], Any], failure: str, seconds: float = 15.0) -> Any:
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, failure
        time.sleep(0.02)
    return value
