"""What runs anew of jobs that `ancient` files join. Oracle: the closure by hand, over all sets of changes."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from prefgrid.plan import ancient_edges

REPOSITORY = Path(__file__).resolve().parents[3]
# Job → (what it takes as it is, what it takes as `ancient`).
JOBS = {"a": ("", ""), "b": ("", "a"), "c": ("b", ""), "d": ("c", "a"), "e": ("", "cd")}
CASES = ["".join(case) for size in range(6) for case in itertools.combinations(JOBS, size)]
HEAD = """
from snakemake.dag import DAG
from prefgrid.plan import ancient_edges
if config.get("looking"):
    ancient_edges.look_behind(DAG)
CASES = {cases!r}
def param(job):
    return lambda wildcards: int(bool(config.get("changed")) and job in wildcards.case.split("_"))
rule all:
    input: expand("{{case}}/{{job}}", case=CASES, job={jobs!r})
"""
RULE = """
rule {job}:
    input: {inputs}
    output: "{{case}}/{job}"
    params: changed=param("{job}")
    shell: "touch {{output}}"
"""


def name(case: str) -> str:
    """Of its folder: a job's letter stands alone between two marks."""
    return "_".join(["of", *case])


def due(case: str) -> set[str]:
    """Jobs that have to run: those that change, and those that take of them what is not ancient."""
    found: set[str] = set()
    for job, (taken, _) in JOBS.items():
        if job in case or found & set(taken):
            found.add(job)
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ancient")
    text = HEAD.format(cases=[name(case) for case in CASES], jobs=list(JOBS))
    for job, (taken, ancient) in JOBS.items():
        inputs = [f'"{{case}}/{one}"' for one in taken]
        inputs += [f'ancient("{{case}}/{one}")' for one in ancient]
        text += RULE.format(job=job, inputs=", ".join(inputs))
    (folder / "Snakefile").write_text(text)
    snakemake(folder, "--quiet", "all")
    return folder


def snakemake(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "4", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow_scripts")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def planned(folder: Path, *settings: str) -> dict[str, set[str]]:
    """Case → the jobs that a dry run lists."""
    output = snakemake(folder, "-n", "--config", *settings)
    found: dict[str, set[str]] = {case: set() for case in CASES}
    for case, job in re.findall(r"^ +output: of_?([a-e_]*)/([a-e])$", output, flags=re.MULTILINE):
        found[case.replace("_", "")].add(job)
    return found


def test_what_changes_runs_and_what_follows_by_files_that_are_not_ancient(finished):
    assert planned(finished, "changed=1", "looking=1") == {case: due(case) for case in CASES}


def test_what_does_not_change_does_not_run(finished):
    assert planned(finished, "looking=1") == {case: set() for case in CASES}


def test_snakemake_itself_leaves_changed_jobs_out(finished):
    """Else nothing here would be needed."""
    found = planned(finished, "changed=1")
    assert found["ab"] == {"a"} and due("ab") == {"a", "b", "c", "d"}
    assert all(found[case] <= due(case) for case in CASES)


def test_it_is_put_in_once():
    class Graph:
        async def update_needrun(self): ...

    ancient_edges.look_behind(Graph)
    first = Graph.update_needrun
    ancient_edges.look_behind(Graph)
    assert Graph.update_needrun is first
