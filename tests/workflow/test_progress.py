"""What a person sees of a run: of tiny jobs, in a pipe and on a terminal, all well and with a failure."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY, environment

COMMAND = [sys.executable, str(REPOSITORY / "workflow_scripts" / "launch.py")]
# Jobs as ours: under the supervisor, which keeps their output to the log. The second warns; the
# third fails as a script does.
SNAKEFILE = """
envvars: "PYTHONPATH"
CELLS = ["n=1", "n=2"] + (["n=3"] if config.get("fail") else [])
rule all:
    default_target: True
    input: expand("results/{cell}.txt", cell=CELLS)
rule make_cell:
    input: "results/data.txt"
    output: "results/{cell}.txt"
    log: "results/logs/make_cell/{cell}.log"
    message: "A cell"
    shell: "exec python -m run_job --log {log} cells/make_cell {wildcards.cell} {output}"
rule write_data:
    output: "results/data.txt"
    log: "results/logs/write_data.log"
    shell: "touch {output}"
"""
SCRIPT = """
import sys, time, traceback
cell, output = sys.argv[1:]
for step in range(200):
    print(f"[12:00:00] step {step} of 200")
if cell == "n=2":
    print("[12:00:00] warning: many pairs are equal")
if cell == "n=3":
    try:
        raise ValueError("no room")
    except ValueError as error:
        traceback.print_exc()
        sys.exit(f"error: {error}")
time.sleep(0.5)
open(output, "w").close()
"""
CLOCK = r"\d\d:\d\d:\d\d"
TOOK = r"\d+s"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A workflow with our supervisor and none of our rules."""
    scripts = tmp_path / "workflow_scripts"
    (scripts / "cells").mkdir(parents=True)
    (scripts / "cells" / "make_cell.py").write_text(SCRIPT)
    for name in ("run_job.py", "prefgrid"):
        (scripts / name).symlink_to(REPOSITORY / "workflow_scripts" / name)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


def variables(tree: Path) -> dict[str, str]:
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    scripts = str(tree / "workflow_scripts")
    return {**environment(), "PATH": path, "PYTHONPATH": scripts, "TERM": "xterm"}


def piped(tree: Path, *words: str) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of a run without a terminal."""
    done = subprocess.run(
        [*COMMAND, *words], cwd=tree, env=variables(tree), capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


def on_a_terminal(tree: Path, *words: str) -> tuple[int, str]:
    """(exit status, all that was written) of a run on a pseudo-terminal."""
    main, end = pty.openpty()
    run = subprocess.Popen(
        [*COMMAND, *words], cwd=tree, env=variables(tree), stdout=end, stderr=end, stdin=end
    )
    os.close(end)
    written = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:  # nobody holds the other end
            break
        written += piece
    os.close(main)
    return run.wait(timeout=60), written.decode()


def screen(written: str) -> list[str]:
    """The lines that a terminal shows at last: a carriage return goes back, ESC [K takes away."""
    lines, place = [""], 0
    for part in re.findall(r"\r\n|\r|\x1b\[K|\x1b\[\d+m|[^\r\x1b]", written):
        if part == "\r\n":
            lines, place = [*lines, ""], 0
        elif part == "\r":
            place = 0
        elif part == "\x1b[K":
            lines[-1] = lines[-1][:place]
        elif not part.startswith("\x1b"):
            lines[-1] = lines[-1][:place] + part + lines[-1][place + 1 :]
            place += 1
    return lines[:-1] if lines[-1] == "" else lines


def fits(lines: list[str], patterns: list[str]) -> None:
    assert len(lines) == len(patterns), "\n".join(lines)
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)


TABLE = ["write_data +1", "make_cell +2", "all +1", "total +4"]
LINES = [
    f"{CLOCK} start   write_data",
    rf"{CLOCK} done    write_data  {TOOK}  \[1/4\]",
    f"{CLOCK} start   make_cell  n=[12]",
    rf"{CLOCK} done    make_cell  n=[12]  {TOOK}  \[2/4\]",
    rf"{CLOCK} (start   make_cell  n=2|warning: many pairs are equal  \(make_cell  n=2\))",
    rf"{CLOCK} (start   make_cell  n=1|done    make_cell  n=2  {TOOK}  \[3/4\])",
    rf"{CLOCK} (warning: many pairs are equal  \(make_cell  n=2\)"
    rf"|done    make_cell  n=1  {TOOK}  \[3/4\])",
    f"4 of 4 jobs done in {TOOK}",
]


def said(tree: Path) -> list[str]:
    """Every line in the logs of the jobs."""
    logs = (tree / "results" / "logs").rglob("*.log")
    return [line for log in logs for line in log.read_text().splitlines()]


def test_a_run_in_a_pipe_is_a_line_a_job_at_its_start_and_its_end(tree):
    status, out, err = piped(tree, "--cores", "1")
    assert (status, out) == (0, "")
    assert "\x1b" not in err and "\r" not in err
    fits(err.splitlines(), [*TABLE, *LINES])
    assert len(said(tree)) == 2 * 200 + 1


def test_a_terminal_shows_the_same_lines_and_a_last_one_while_it_runs(tree):
    status, written = on_a_terminal(tree, "--cores", "1")
    assert status == 0
    fits(screen(written), [*TABLE, *LINES])
    assert re.search(
        r"\r\x1b\[K2/4 done \| about \d+s left \| [\d.]+ jobs/min \| running: make_cell", written
    )


@pytest.mark.parametrize("run", ["pipe", "terminal"])
def test_a_failed_job_is_told_once_at_the_end(tree, run):
    words = ("--cores", "1", "--keep-going", "--config", "fail=1")
    if run == "pipe":
        status, _, shown = piped(tree, *words)
        lines = shown.splitlines()
    else:
        status, written = on_a_terminal(tree, *words)
        lines = screen(written)
    assert status == 1
    text = "\n".join(lines)
    assert text.count("error: no room") == 1 and text.count("Traceback") == 0
    assert re.findall(rf"{CLOCK} FAILED  make_cell  n=3  {TOOK}$", text, re.M)
    fits(
        lines[-4:],
        [
            "FAILED  make_cell  n=3",
            "    error: no room",
            "    log: results/logs/make_cell/n=3.log",
            f"3 of 5 jobs done in {TOOK}, 1 failed, 1 left",
        ],
    )
    assert "Traceback (most recent call last):" in said(tree)


def test_a_job_tried_again_is_no_failure(tree):
    script = tree / "workflow_scripts" / "cells" / "make_cell.py"
    marks = (
        "import os\nif not os.path.exists('tried'): open('tried', 'w'); sys.exit('error: once')\n"
    )
    script.write_text(SCRIPT.replace("cell, output =", marks + "cell, output ="))
    status, _, shown = piped(tree, "--cores", "1", "--retries", "1")
    assert status == 0
    assert len(re.findall("FAILED", shown)) == 1  # at its own time, and not at the end
    assert "error: once" not in shown and "4 of 4 jobs done" in shown


def test_a_dry_run_is_a_table_and_a_line_a_job(tree):
    status, out, err = piped(tree, "-n")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    fits(lines[:4], TABLE)
    assert lines[4:6] == ["write_data", "    Missing output files: results/data.txt"]
    assert out.count("make_cell  n=") == 2 and out.count("total") == 1
    assert not (tree / "results").exists()


@pytest.mark.parametrize("words, lines", [(("-n", "-q"), 4), (("-n", "-q", "all"), 0)])
def test_a_quiet_dry_run_is_the_table_or_nothing(tree, words, lines):
    out = piped(tree, *words)[1]
    fits(out.splitlines()[:4], TABLE[:lines])


@pytest.mark.parametrize(
    "quiet, count", [(("-q",), 0), (("-q", "rules"), 5), (("-q", "progress"), 3)]
)
def test_quietness_is_heeded(tree, quiet, count):
    """Rules: the lines of jobs. Progress: the table, all counts, and what ends, as Snakemake itself."""
    status, out, err = piped(tree, "--cores", "1", *quiet)
    assert (status, out, len(err.splitlines())) == (0, "", count), err


def test_quiet_runs_still_tell_what_failed(tree):
    status, _, err = piped(tree, "--cores", "1", "-q", "--config", "fail=1")
    assert status == 1
    assert "FAILED  make_cell  n=3\n    error: no room\n" in err


@pytest.mark.parametrize("words", [("--verbose",), ("--logger", "plan")])
def test_who_asks_for_other_words_gets_them(tree, words, monkeypatch):
    monkeypatch.setenv("PREFGRID_PLAN", str(tree / "plan.jsonl"))
    done = subprocess.run(
        [*COMMAND, "-n", *words],
        cwd=tree,
        env={**variables(tree), "PREFGRID_PLAN": str(tree / "plan.jsonl")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Building DAG of jobs..." in done.stdout + done.stderr


def test_mistakes_and_other_answers_are_shown_as_they_are(tree):
    status, _, err = piped(tree, "--cores", "1", "nonsense")
    assert status == 1 and "MissingRuleException" in err and "No rule to produce nonsense" in err
    assert piped(tree, "--list-target-rules")[1].split() == ["all", "write_data"]
    piped(tree, "--cores", "1", "-q")
    assert "Nothing to be done" in piped(tree, "--cores", "1")[2]
