"""Kills at random moments: rerun at once, without a hand's help, and no byte of a result differs.

PREFGRID_TEST_KILLS: kills of each test; a large number gives statistics. PREFGRID_TEST_SEED: other
moments. Both tests print what they did (`pytest -s`).
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from prefgrid.files import store
from tests.workflow.conftest import Checkout
from tests.workflow.test_invalidation import set_config

KILLS = int(os.environ.get("PREFGRID_TEST_KILLS", 3))
SEED = int(os.environ.get("PREFGRID_TEST_SEED", 0))
# Then the run may end undisturbed: a job longer than all gaps between kills would never.
KILLS_A_RUN = 6
STUDIES = ("link_robustness", "single_index")
LINK_STAGES = (
    *("responses", "rewards", "reference_logps", "preferences", "policies", "evaluations"),
    "gathered",
)
# Kept apart from results by design: what they hold is not decided by the config alone. The page sums up
# the records, their times and memory.
RECORDS = ("_provenance.json", "_provenance", "logs", "report.html")


@pytest.fixture
def clone(finished: Checkout, tmp_path: Path) -> Checkout:
    """Its training jobs keep a checkpoint after every step; the quiet run's keep none."""
    clone = finished.copy(tmp_path / "clone")
    set_config(clone, "execution", "checkpoint_seconds", value=0)
    return clone


def test_killed_snakemake_run_again_at_once_gives_the_bytes_of_a_quiet_run(
    finished: Checkout, clone: Checkout
) -> None:
    draw = random.Random(SEED)
    kills = compared = 0
    while kills < KILLS:
        for study in STUDIES:
            remove_stages(clone, study, os.listdir(clone.folder / "results" / study))
        (clone.folder / "results/report.html").unlink()
        kept = len(artifacts(clone))
        for _ in range(min(KILLS_A_RUN, KILLS - kills)):
            snakemake = clone.start()
            while not wait(snakemake, 0.1) and not processes(clone, snakemake):
                pass
            moment = draw.uniform(0, 8)
            if wait(snakemake, moment):
                assert snakemake.returncode == 0, f"see {clone.folder}/.snakemake/log"
                break
            snakemake.kill()
            snakemake.wait()
            kills += 1
            print(f"kill {kills}: Snakemake, {moment:.2f} s after its first job started")
        output = clone.snakemake()
        assert "Unlocking" not in output and "LockException" not in output
        compared += compare(finished, clone) - kept
    print(f"{kills} kills of Snakemake (seed {SEED}), {compared} rebuilt files compared, 0 differ")


def test_killed_jobs_run_again_give_the_bytes_of_a_quiet_run(
    finished: Checkout, clone: Checkout
) -> None:
    draw = random.Random(SEED + 1)
    kills = compared = 0
    names = ("evaluations.csv", "samples.parquet", "indices.parquet", "training.parquet")
    targets = [f"results/link_robustness/gathered/{name}" for name in names]
    while kills < KILLS:
        remove_stages(clone, "link_robustness", LINK_STAGES)
        kept = len(artifacts(clone))
        left = min(KILLS_A_RUN, KILLS - kills)
        while left:
            snakemake = clone.start(*targets)
            while left and not wait(snakemake, draw.uniform(0.5, 8)):
                if victim := kill_one_job(clone, snakemake, draw):
                    kills, left = kills + 1, left - 1
                    print(f"kill {kills}: {victim}")
            # It finishes what it can, then says that jobs failed.
            if snakemake.wait() == 0:
                break
        clone.snakemake(*targets)
        compared += compare(finished, clone) - kept
    print(f"{kills} kills of jobs (seed {SEED}), {compared} rebuilt files compared, 0 differ")


def remove_stages(checkout: Checkout, study: str, stages: tuple[str, ...] | list[str]) -> None:
    for stage in stages:
        shutil.rmtree(checkout.folder / "results" / study / stage)


def wait(process: subprocess.Popen, seconds: float) -> bool:
    """Whether the process ended within so many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def processes(checkout: Checkout, snakemake: subprocess.Popen) -> dict[psutil.Process, str]:
    """Process → its words, of every Python process of the run's jobs, supervisors included."""
    found = {}
    for process in psutil.process_iter(["name"]):
        try:
            ours = process.cwd() == str(checkout.folder) and process.pid != snakemake.pid
            if ours and "python" in process.info["name"]:
                found[process] = " ".join(process.cmdline()[1:5])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def kill_one_job(checkout: Checkout, snakemake: subprocess.Popen, draw: random.Random) -> str:
    """SIGKILL a random process of a random job; its words, "" if there was none."""
    found = processes(checkout, snakemake)
    if not found:
        return ""
    victim = draw.choice(sorted(found, key=lambda process: process.pid))
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.send_signal(signal.SIGKILL)
    return found[victim]


def compare(finished: Checkout, killed: Checkout) -> int:
    """The number of artifacts, all equal; and nothing half-done lies about."""
    expected, made = artifacts(finished), artifacts(killed)
    assert sorted(made) == sorted(expected)
    assert [name for name in expected if made[name] != expected[name]] == []
    return len(made)


def artifacts(checkout: Checkout) -> dict[str, str]:
    """File → SHA-256, hidden files and work folders included."""
    results = checkout.folder / "results"
    return {
        str(path.relative_to(results)): store.sha256_file(path)
        for path in sorted(results.rglob("*"))
        if path.is_file() and not set(path.relative_to(results).parts) & set(RECORDS)
    }
