"""Bad input, killed jobs and a killed Snakemake: clear messages, and nothing half-done survives."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.workflow.conftest import Checkout
from tests.workflow.test_invalidation import set_config

CELL = "method=dpo/seed=0/shift=1.5/n=32"
POLICY = f"results/link_robustness/policies/{CELL}"


@pytest.fixture
def clone(finished: Checkout, tmp_path: Path) -> Checkout:
    """A finished checkout of one's own."""
    return finished.copy(tmp_path / "clone")


def jobs_in(folder: Path) -> list[psutil.Process]:
    """Processes of job runners and scripts whose working directory is this checkout."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and "--spec" in process.cmdline():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def wait_for(condition, seconds: float, what: str):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    pytest.fail(f"waited {seconds} s for {what}")


def leftovers(folder: Path) -> list[Path]:
    return [path for path in (folder / "results").rglob("*") if ".partial-" in str(path)]


def test_killed_snakemake_takes_every_job_with_it_and_a_rerun_heals(clone: Checkout) -> None:
    for path in (clone.folder / POLICY).iterdir():
        path.unlink()
    snakemake = clone.start(f"{POLICY}/manifest.json")
    try:
        # The runner and the script it supervises.
        wait_for(lambda: len(jobs_in(clone.folder)) >= 2, 60, "the training job to start")
        os.kill(snakemake.pid, signal.SIGKILL)
        wait_for(lambda: not jobs_in(clone.folder), 15, "every process of the run to end")
    finally:
        snakemake.kill()
        snakemake.wait()
    assert not (clone.folder / POLICY / "manifest.json").exists()
    clone.snakemake(f"{POLICY}/manifest.json")
    assert (clone.folder / POLICY / "manifest.json").exists()
    assert not leftovers(clone.folder)


def test_killed_job_fails_the_run_and_leaves_nothing(clone: Checkout) -> None:
    for path in (clone.folder / POLICY).iterdir():
        path.unlink()
    snakemake = clone.start(f"{POLICY}/manifest.json")
    script = wait_for(
        lambda: [p for p in jobs_in(clone.folder) if "train_policy.py" in " ".join(p.cmdline())],
        60,
        "the training script to start",
    )[0]
    script.kill()
    assert snakemake.wait(timeout=60) != 0
    log = clone.folder / f"results/logs/train_policy/link_robustness/{CELL}.log"
    assert "train_policy was ended by SIGKILL" in log.read_text()
    assert not list((clone.folder / POLICY).glob("*"))


def test_truncated_jsonl_is_named(clone: Checkout) -> None:
    rewards = clone.folder / "results/link_robustness/rewards/seed=0/rewards.jsonl"
    rewards.write_text(rewards.read_text()[:-50])
    set_config(clone, "link_robustness", "shifts", value=[2.5])
    output = clone.snakemake("preferences", check=False)
    assert "rewards.jsonl, line 32: the file ends inside a line" in output


def test_row_without_prompt_is_counted_and_refused(clone: Checkout) -> None:
    data = clone.folder / "results/data/ultrafeedback/train.jsonl"
    lines = data.read_text().splitlines(keepends=True)
    lines[3:9] = ['{"source": "x", "completions": []}\n'] * 6
    data.write_text("".join(lines))
    target = "results/data/prompts/train.jsonl"
    output = clone.snakemake(target, check=False)
    assert "6 of 300 rows do not fit; allowed share (data.bad_row_share): 0.01" in output
    assert "line 4: field 'instruction' must be a non-empty string" in output
    # The pools of the earlier run do not pass for finished.
    assert clone.planned(target)["build_prompt_pools"] == 1


def test_non_finite_loss_stops_the_job_with_its_batch_on_disk(clone: Checkout) -> None:
    # No number that the config takes does this: an objective that overflows float32.
    source = clone.folder / "workflow_scripts/prefgrid/objectives/dpo.py"
    text = source.read_text()
    assert text.count("batch.targets)).mean()") == 1
    source.write_text(text.replace("batch.targets)).mean()", "batch.targets)).mean() * 1e39"))
    output = clone.snakemake(
        "--until", "train_policy", "--", f"{POLICY}/manifest.json", check=False
    )
    assert "is not finite at step" in output
    assert (clone.folder / POLICY / "failed_batch.json").exists()
    assert not (clone.folder / POLICY / "manifest.json").exists()


def test_unreachable_hub_id_says_what_was_tried(clone: Checkout) -> None:
    hub = {
        "models": {
            "base": {"source": "nobody/no-such-model", "revision": "main"},
            "reward": {"source": "nobody/no-such-model", "revision": "main"},
        },
        "dataset": {"source": "nobody/none", "revision": "main", "split": "train"},
    }
    set_config(clone, "world", value="hub")
    set_config(clone, "studies", value=["link_robustness"])
    set_config(clone, "hub", value=hub)
    set_config(clone, "reference", "sft", value=None)
    for path in (clone.folder / "results/models/base").iterdir():
        path.unlink()
    output = clone.snakemake("results/models/base/manifest.json", check=False)
    assert "cannot get model 'nobody/no-such-model'" in output
    assert "Allowed: a hub id" in output


def test_config_mistakes_stop_before_any_job(clone: Checkout) -> None:
    set_config(clone, "link_robustness", "seeds", value=[0, 0])
    set_config(clone, "link_robustness", "n", value=[32, 999])
    set_config(clone, "link_robustness", "evaluation", "beta_grid", value=[0.5, -1.0])
    output = clone.snakemake("-n", check=False)
    assert "3 mistakes in the configuration" in output
    assert "link_robustness.seeds" in output and "repeated: [0]" in output
    assert "999 is larger than the training prompt pool" in output
    assert (
        "link_robustness.evaluation.beta_grid.1: -1.0 should be greater than or equal to 0.000001"
        in output
    )


def test_more_gpus_a_job_than_the_run_has_is_refused(clone: Checkout) -> None:
    set_config(clone, "execution", "gpus_per_job", value=1)
    output = clone.snakemake("-n", "--resources", "gpu=0", "--", "all", check=False)
    assert "1 device(s) a job, but this run has 0" in output
