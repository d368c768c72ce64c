"""Iterations on the small run: which jobs an edit and a longer run bring, kills in the second one, refusals."""

import contextlib
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.workflow.conftest import Checkout, planned_jobs
from tests.workflow.test_invalidation import set_config
from tests.workflow.test_kills import SEED, compare, processes

ROOT = "results/self_play"
RUN = "method=sppo/judge=bt_closings/seed=0"
SECOND = f"{ROOT}/policies/{RUN}/iteration=2/manifest.json"
# What makes a policy of an iteration's prompts, in which one of two shards is drawn again.
MADE = {
    "sample_responses": 1,
    "compare_responses": 1,
    "make_targets": 1,
    "compute_reference_logps": 1,
    "train_policy": 1,
}


def cells(output: str, what: str) -> set[str]:
    """Of the jobs whose message starts so."""
    form = rf"Job \d+: {what}[:,] (?:self_play, )?(\S+)$"
    return set(re.findall(form, output, flags=re.MULTILINE))


def test_rerunning_an_iteration_leaves_those_before_it(finished: Checkout) -> None:
    first = f"{ROOT}/responses/{RUN}/iteration=2/by=1/shard=0/responses.jsonl"
    output = finished.snakemake("-n", SECOND, "--forcerun", first)
    assert planned_jobs(output) == MADE
    output = finished.snakemake("-n", "--forcerun", SECOND)
    planned = planned_jobs(output)
    assert (planned["train_policy"], planned["average_policies"]) == (1, 1)
    assert not planned.keys() & {"make_targets", "compute_reference_logps", "divide_prompts"}
    # Of the iterate itself and of the average.
    iterates = {f"{RUN}/iteration=2", f"{RUN}/average=2"}
    assert cells(output, "Held-out samples") == iterates
    assert not [line for line in output.splitlines() if "Job " in line and "iteration=1" in line]


def test_a_longer_run_makes_the_new_iteration_alone(edited: Checkout) -> None:
    set_config(edited, "self_play", "iterations", value=3)
    output = edited.snakemake("-n")
    planned = planned_jobs(output)
    third = f"{RUN}/iteration=3"
    assert cells(output, "Policy") == cells(output, "Self-play: targets") == {third}
    assert cells(output, "Held-out samples") == {third, f"{RUN}/average=3"}
    assert cells(output, "Self-play: prompts") == {"iteration=3"}
    assert {cell.rpartition("/by=")[0] for cell in cells(output, "Responses")} == {
        third,
        f"{RUN}/pool=best",
    }
    assert planned["make_targets"] == planned["average_policies"] == planned["measure_run"] == 1
    assert "train_preference_model" not in planned


def test_kills_in_the_second_iteration_leave_the_bytes_of_a_quiet_run(
    finished: Checkout, tmp_path: Path
) -> None:
    clone = finished.copy(tmp_path / "clone")
    set_config(clone, "execution", "checkpoint_seconds", value=0)
    draw = random.Random(SEED)
    for script in ("sample_responses", "compare_responses", "train_policy"):
        kill_one(clone, script, draw)
    clone.snakemake(SECOND)
    clone.snakemake()
    assert compare(finished, clone) > 100


# Script → what it makes, in this order: what is gone with all that was made of it is made again.
MADE_BY = {
    "sample_responses": f"{ROOT}/responses/{RUN}/iteration=2",
    "compare_responses": f"{ROOT}/matrices/{RUN}/iteration=2/matrices.parquet",
    "make_targets": f"{ROOT}/targets/{RUN}/iteration=2",
    "train_policy": f"{ROOT}/policies/{RUN}/iteration=2",
}
# A job that is over sooner than this was not killed; then sooner.
LONGEST_SECONDS = (0.6, 0.2, 0.05, 0.0)


def kill_one(checkout: Checkout, script: str, draw: random.Random) -> None:
    """SIGKILL a process of the first job of a script, some moment after it started."""
    scripts = list(MADE_BY)
    for longest in LONGEST_SECONDS:
        for later in scripts[scripts.index(script) :]:
            remove(checkout.folder / MADE_BY[later])
        snakemake = checkout.start(SECOND)
        assert kills(checkout, snakemake, script, draw.uniform(0, longest)), f"no {script} ran"
        if snakemake.wait() != 0:
            return
    pytest.fail(f"{script} was never interrupted")


def kills(checkout: Checkout, snakemake: Any, script: str, moment: float) -> bool:
    """Whether there was a process of the script."""
    while snakemake.poll() is None:
        found = [one for one, words in processes(checkout, snakemake).items() if script in words]
        if found:
            time.sleep(moment)
            for victim in found:
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.send_signal(signal.SIGKILL)
            return True
        time.sleep(0.02)
    return False


def remove(place: Path) -> None:
    for file in [place] if place.is_file() else place.rglob("*"):
        if file.is_file():
            file.unlink()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("iteration=0", "iteration=0: the base; allowed: 1 to 2"),
        ("iteration=3", "iteration=3; allowed: 1 to 2"),
    ],
)
def test_an_iteration_that_is_none_is_refused(finished: Checkout, cell: str, said: str) -> None:
    path = f"{ROOT}/policies/{RUN}/{cell}/manifest.json"
    output = finished.snakemake("-n", path, check=False)
    assert f"error: study 'self_play', policy of '{RUN}/{cell}': {said}" in output


def test_without_a_token_nothing_is_trained_for_the_hub(edited: Checkout, monkeypatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    target = f"{ROOT}/publication/publication.json"
    said = "self_play.publish is null: nothing says where to; allowed: {repo: owner/name"
    assert said in edited.snakemake("-n", target, check=False)
    set_config(edited, "self_play", "publish", value={"repo": "someone/runs"})
    assert planned_jobs(edited.snakemake("-n", target)) == {"publish_self_play": 1}
    set_config(edited, "self_play", "iterations", value=3)
    output = edited.snakemake(target, check=False)
    assert "HF_TOKEN is not set in the environment of this run" in output
    assert not (edited.folder / ROOT / "prompts/iteration=3").exists()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("responses", 1, "self_play.generation.responses: 1 should be greater than or equal to 2"),
        ("shards", 25, "self_play.generation.shards: 25 shards for 24 prompts an iteration"),
    ],
)
def test_what_cannot_be_compared_or_shared_is_refused(edited, key, value, said) -> None:
    set_config(edited, "self_play", "generation", key, value=value)
    assert said in edited.snakemake("-n", check=False)


def test_responses_that_are_all_alike_end_the_run_with_counts(
    finished: Checkout, tmp_path: Path
) -> None:
    clone = finished.copy(tmp_path / "clone")
    set_config(clone, "self_play", "generation", "top_p", value=1e-6)
    target = f"{ROOT}/targets/{RUN}/iteration=1/groups.jsonl"
    output = clone.snakemake(target, check=False)
    assert "make_targets" in output
    [log] = (clone.folder / "results/logs").rglob("make_targets/**/iteration=1.log")
    text = log.read_text()
    said = "none of 24 prompts is left to train on: dropped 0 truncated responses and 48 whose text was there"
    assert said in text
