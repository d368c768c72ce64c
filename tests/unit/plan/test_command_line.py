"""Command lines as Snakemake's manual writes them. Oracle: Snakemake's own parser, given the long way round."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake import cli

from prefgrid.plan import command_line
from prefgrid.plan.command_line import CommandLineError, understood

REPOSITORY = Path(__file__).resolve().parents[3]
# A target as they are here: with "=" in its folders.
CELL = "results/link_robustness/policies/method=dpo/seed=0/manifest.json"


def parsed(words: list[str]) -> dict[str, Any]:
    """What Snakemake's parser makes of these words; SystemExit or its own errors where it refuses."""
    found = vars(cli.get_argument_parser().parse_args(words))
    del found["max_jobs_per_timespan"]  # an object that equals itself alone
    return {
        **found,
        "targets": sorted(found["targets"]),
        "resources": str(found["resources"]),
        "default_resources": str(found["default_resources"]),
    }


@pytest.mark.parametrize(
    "words, long_way",
    [
        ("--cores --resources gpu=8", "--cores all --resources gpu=8"),
        ("--cores", "--cores all"),
        ("-c -n", "-n -c all"),
        ("-c 4 -n", "-n -c4"),
        ("--cores=2 policies", "policies --cores 2"),
        ("--resources gpu=8 policies", "policies --resources gpu=8"),
        ("--cores --resources gpu=8 mem_mb=9 policies figures -n",
         "policies figures -n --cores all --resources gpu=8 mem_mb=9"),
        (f"--resources gpu=8 {CELL}", f"{CELL} --resources gpu=8"),
        (f"--force {CELL} --res gpu=8", f"{CELL} --force --res gpu=8"),
        ("--config ab=1 cd=2 tables -n", "tables -n --config ab=1 cd=2"),
        ("-C ab=1 tables", "tables -C ab=1"),
        ("--config=ab=1 tables", "tables --config ab=1"),
        ("--set-resources train_policy:mem_mb=5 policies",
         "policies --set-resources train_policy:mem_mb=5"),
        ("--set-threads train_policy=5 policies", "policies --set-threads train_policy=5"),
        ("--default-resources slurm_partition=a policies",
         "policies --default-resources slurm_partition=a"),
        ("--groups train_policy=a --group-components a=3 policies",
         "policies --groups train_policy=a --group-components a=3"),
        ("--configfile a.yaml b.YML policies -q rules", "policies --configfile a.yaml b.YML -q rules"),
        (f"-n -q rules {CELL}", f"{CELL} -n -q rules"),
        (f"-n -q {CELL} policies --cores 2", f"{CELL} policies -n -q --cores 2"),
        ("--quiet rules progress policies -n", "policies -n --quiet rules progress"),
        ("-q", "-q"),
        ("--configfile a.json policies", "policies --configfile a.json"),
        (f"--configfile a.yml {CELL}", f"{CELL} --configfile a.yml"),
        ("-n --resources gpu=8 policies -- figures", "-n --resources gpu=8 -- figures policies"),
        ("policies --resources gpu=8 figures", "policies figures --resources gpu=8"),
        ("-n -- --cores", "-n -- --cores"),
        ("--until train_policy score_responses", "--until train_policy score_responses"),
    ],
)  # fmt: skip
def test_what_the_manual_writes_means_what_the_long_way_says(words, long_way):
    assert parsed(understood(words.split())) == parsed(long_way.split())


def test_snakemake_itself_refuses_what_is_turned():
    """Else nothing here would be needed."""
    with pytest.raises(SystemExit):
        parsed(["--cores", "--resources", "gpu=8"])
    with pytest.raises(ValueError):
        parsed(["--resources", "gpu=8", "policies"])


OPTIONS = {
    "cores": (["--cores"], ["--cores", "all"]),
    "resources": (["--resources", "gpu=8", "mem_mb=5"],) * 2,
    "config": (["--config", "ab={c: 1}"],) * 2,
    "files": (["--configfile", "a.yaml", "b.yml"],) * 2,
    "dry": (["-n"],) * 2,
    "quiet": (["-q", "rules"],) * 2,
    "directory": (["--directory", "runs/a"],) * 2,
}


@settings(max_examples=60, deadline=None)
@given(
    st.permutations(list(OPTIONS)),
    st.integers(0, 6),
    # `all` behind `-q` is how quiet to be.
    st.lists(st.sampled_from([CELL, "figures", "policies"]), unique=True),
)
def test_targets_may_stand_anywhere_among_the_options(order, place, targets):
    """Behind any one option, in any order of options: never lost, never taken for an entry."""
    words = [word for name in order[:place] for word in OPTIONS[name][0]]
    if words[-1:] == ["--cores"]:
        words.append("all")  # a target behind it would be its value
    words += [*targets, *(word for name in order[place:] for word in OPTIONS[name][0])]
    long_way = [*targets, *(word for name in sorted(order) for word in OPTIONS[name][1])]
    assert parsed(understood(words)) == parsed(long_way)


@pytest.mark.parametrize(
    "words, right",
    [
        ("--configfile a.yaml --configfile b.yaml -n", "--configfile a.yaml b.yaml"),
        ("--configfile=a.yaml -n --configfiles b.yaml policies", "--configfile a.yaml b.yaml"),
        ("--config ab=1 x --config cd=2 y", "--config ab=1 cd=2"),
        ("-C ab=1 --config=cd=2", "--config ab=1 cd=2"),
        ("--resources gpu=8 --res mem_mb=5", "--resources gpu=8 mem_mb=5"),
        ("-q policies --quiet rules figures -n", "--quiet rules"),
    ],
)
def test_a_list_given_twice_is_refused_with_the_right_form(words, right):
    with pytest.raises(CommandLineError) as caught:
        understood(words.split())
    assert str(caught.value).endswith(f": {right}")
    assert "2 times" in str(caught.value)
    parsed(understood(right.split()))


def test_an_option_is_found_as_it_may_be_written():
    assert command_line.names(["-n", "--logger=rich"], "--logger")
    assert command_line.names(["--logger", "rich"], "--logger")
    assert not command_line.names(["-n", "--", "--logger"], "--logger")


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """`.venv/bin/snakemake` of a checkout with a blank in its path, as `make setup` copies it there."""
    folder = tmp_path / "a checkout" / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (folder / "python").chmod(0o755)
    shutil.copy(REPOSITORY / "workflow_scripts" / "snakemake.sh", folder / "snakemake")
    (tmp_path / "a checkout" / "workflow_scripts").symlink_to(REPOSITORY / "workflow_scripts")
    (tmp_path / "a checkout" / "Snakefile").write_text(
        'print("cores", workflow.cores, config)\n'
        'rule all:\n    default_target: True\n    output: "all.txt"\n'
        '    resources: gpu=2\n    shell: "echo {resources.gpu} > {output}"\n'
    )
    return folder / "snakemake"


def called(command: Path, *words: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if "SNAKEMAKE" not in name}
    environment["PYTHONSAFEPATH"] = "1"
    return subprocess.run(
        [str(command), *words],
        cwd=command.parents[2],
        env=environment,
        capture_output=True,
        text=True,
    )


def test_the_command_that_setup_writes_runs_the_literal_line(command):
    done = called(command, "--cores", "--resources", "gpu=8")
    assert done.returncode == 0, done.stderr
    assert f"cores {len(os.sched_getaffinity(0))} {{}}" in done.stdout
    assert (command.parents[2] / "all.txt").read_text() == "2\n"


def test_the_command_refuses_in_one_line(command):
    done = called(command, "--configfile", "a.yaml", "--configfile", "b.yaml")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: --configfile is given 2 times")


def test_setup_puts_the_command_in_its_place():
    words = ["make", "-n", "-W", "requirements.lock", "VENV=nowhere", "setup"]
    listed = subprocess.run(
        words, cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    pip, copy = (listed.index(text) for text in ("pip install", "cp workflow_scripts/snakemake.sh"))
    assert pip < copy and "nowhere/bin/snakemake" in listed
