"""Snakemake counts devices, the job runner hands them out: real runs on made-up devices."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import REPOSITORY, SNAKEMAKE, copy_sources, environment

# Two kinds of jobs, on one device and on two, in front of a script that notes what it was given.
SNAKEFILE = """
import os, sys

os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.path.abspath("workflow_scripts")
os.environ["PREFGRID_EXECUTION"] = '{"jobs_per_gpu": %d}' % config["shares"]

rule all:
    input:
        expand("out/single/{k}", k=range(config["singles"])),
        expand("out/double/{k}", k=range(config["doubles"])),

rule single:
    output: "out/single/{k}"
    log: "logs/single/{k}.log"
    resources: gpu=1
    shell: "exec python -m run_job --log {log} --gpus 1 note_devices {output} {config[together]}"

rule double:
    output: "out/double/{k}"
    log: "logs/double/{k}.log"
    resources: gpu=2 * config["shares"]
    shell: "exec python -m run_job --log {log} --gpus 2 note_devices {output} 1"
"""
# Holds its devices until so many jobs have started: proof that they ran at the same time.
SCRIPT = """
import json, os, sys, time
from pathlib import Path

output, together = Path(sys.argv[1]), int(sys.argv[2])
begin = time.monotonic()
started = Path(os.environ["STARTED"])
started.joinpath(str(os.getpid())).touch()
while len(os.listdir(started)) < together:
    assert time.monotonic() < begin + 60, "the other jobs do not run beside this one"
    time.sleep(0.02)
time.sleep(0.1)
devices = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
if os.environ.get("RANK", "0") == "0":
    output.write_text(json.dumps([devices, begin, time.monotonic()]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workflow of its own, with the real job runner and an empty lease folder."""
    shutil.copytree(
        REPOSITORY / "workflow_scripts",
        tmp_path / "workflow_scripts",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (tmp_path / "workflow_scripts" / "note_devices.py").write_text(SCRIPT)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "started").mkdir()
    return tmp_path


def start(folder: Path, *words: str, env: dict[str, str], **config: int) -> subprocess.Popen:
    settings = {"singles": 0, "doubles": 0, "shares": 1, "together": 1} | config
    return subprocess.Popen(
        [*SNAKEMAKE, "--cores", "16", *words]
        + ["--config", *(f"{key}={value}" for key, value in settings.items())],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment()
        | {"PREFGRID_LEASES": str(folder / "leases"), "STARTED": str(folder / "started")}
        | env,
    )


def run(folder: Path, *words: str, **config: int) -> list[tuple[list[str], float, float]]:
    """(devices, begin, end) of every job of a run on eight devices."""
    process = start(folder, *words, env={"CUDA_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7"}, **config)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    return [json.loads(path.read_text()) for path in (folder / "out").glob("*/*")]


def most_at_once(jobs: list[tuple[list[str], float, float]]) -> dict[str, int]:
    """Device → the largest number of jobs that held it at one time."""
    return {
        device: max(
            sum(device in other and b <= begin < e for other, b, e in jobs)
            for devices, begin, _ in jobs
            if device in devices
        )
        for device in sorted({device for devices, _, _ in jobs for device in devices})
    }


@pytest.mark.parametrize("words", [("--resources", "gpu=8"), ()], ids=["counted", "forgotten"])
def test_every_device_is_used_and_none_is_shared(folder: Path, words: tuple[str, ...]) -> None:
    jobs = run(folder, *words, singles=20, together=8)
    assert len(jobs) == 20
    assert most_at_once(jobs) == dict.fromkeys("01234567", 1)


def test_two_jobs_share_a_device_if_asked(folder: Path) -> None:
    jobs = run(folder, "--resources", "gpu=16", singles=24, shares=2, together=16)
    assert len(jobs) == 24
    assert most_at_once(jobs) == dict.fromkeys("01234567", 2)


def test_jobs_on_two_devices_beside_jobs_that_share(folder: Path) -> None:
    jobs = run(folder, "--resources", "gpu=16", singles=16, doubles=2, shares=2)
    doubles = [job for job in jobs if len(job[0]) == 2]
    assert (len(jobs), len(doubles)) == (18, 2)
    for devices, begin, end in doubles:
        others = [job for job in jobs if set(job[0]) & set(devices) and job[0] != devices]
        assert not [1 for _, b, e in others if b < end and begin < e], "shared with another job"
    assert max(most_at_once(jobs).values()) <= 2


def test_two_slurm_allocations_on_a_node_have_a_device_0_each(folder: Path) -> None:
    """Four jobs at once on ids 0 and 1; outside of allocations these would be two devices."""
    second = folder / "second"
    second.mkdir()
    for name in ("Snakefile", "workflow_scripts"):
        (second / name).symlink_to(folder / name)
    shared = {"PREFGRID_LEASES": str(folder / "leases"), "STARTED": str(folder / "started")}
    runs = [
        start(
            place,
            *("--resources", "gpu=2"),
            env=shared | {"SLURM_JOB_ID": job, "CUDA_VISIBLE_DEVICES": "0,1"},
            singles=4,
            together=4,
        )
        for place, job in ((folder, "17"), (second, "18"))
    ]
    for process in runs:
        output = process.communicate()[0]
        assert process.returncode == 0, output
    for place in (folder, second):
        jobs = [json.loads(path.read_text()) for path in (place / "out").glob("*/*")]
        assert most_at_once(jobs) == {"0": 1, "1": 1}


def test_only_training_takes_several_devices(tmp_path: Path) -> None:
    copy_sources(tmp_path / "tree")
    execution = {"gpus_per_job": 2, "jobs_per_gpu": 3}
    (tmp_path / "tree" / "gpu.yaml").write_text(yaml.safe_dump({"execution": execution}))
    words = [*SNAKEMAKE, "-n", "--printshellcmds", "--configfile", "small.yaml", "gpu.yaml"]

    def planned(limit: int) -> str:
        done = subprocess.run(
            [*words, "--resources", f"gpu={limit}"],
            cwd=tmp_path / "tree",
            capture_output=True,
            text=True,
            env=environment(),
        )
        return done.stdout + done.stderr

    devices = re.findall(r"run_job --log \S+ --gpus (\d) \w+/(\w+)", planned(6))
    training = {"train_policy", "train_preference_model", "train_reference"}
    assert {rule for count, rule in devices if count == "2"} == training
    models = {rule for count, rule in devices if count == "1"}
    assert {"sample_responses", "score_responses", "evaluate_policy"} <= models
    assert {count for count, _ in devices} == {"1", "2"}
    # Two whole devices are six shares.
    refused = "2 device(s) a job, but this run has 5 (--resources gpu=5); allowed: at least gpu=6"
    assert refused in planned(5)


def test_what_a_rule_counts_fits_what_it_leases() -> None:
    rules = "\n".join(path.read_text() for path in (REPOSITORY / "rules").rglob("*.smk"))
    blocks = re.split(r"^ *rule \w+:$", rules, flags=re.MULTILINE)
    with_gpu = [block for block in blocks if re.search(r"^ +gpu=", block, flags=re.MULTILINE)]
    assert len(with_gpu) >= 7
    for block in with_gpu:
        kind = re.search(r"gpu=(\w+)_GPU,", block)[1]
        assert f"devices={kind}_DEVICES," in block
        assert "--gpus {resources.devices} " in block
