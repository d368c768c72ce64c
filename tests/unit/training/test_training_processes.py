"""Two processes under torch's elastic launcher, on the CPU, beside one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import (
    BATCH,
    KILLED,
    ROWS,
    SHARED_STEPS,
    contents,
    one_group_a_forward,
    run,
    shared_methods,
)

from prefgrid import seeding
from prefgrid.files import store
from prefgrid.training.processes import Processes

WORKER = Path(__file__).parents[2] / "support" / "two_processes.py"


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """The folder that one launch of both processes filled; each has its own in it."""
    folder = tmp_path_factory.mktemp("two")
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, WORKER, folder],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


@pytest.mark.parametrize("label", shared_methods())
def test_a_step_of_two_is_a_step_of_one(two, label):
    """From the same weights, with and without accumulation. At an epoch's end batches have one row,
    where one process has nothing to do."""
    differences = store.read_json(two / "rank=0" / "differences.json")[label]
    assert len(differences) == SHARED_STEPS
    assert max(loss for loss, _ in differences) <= 1e-6
    assert max(gradient for _, gradient in differences) <= 1e-5


@pytest.mark.parametrize("label", shared_methods())
def test_both_processes_end_with_the_same_bytes_and_one_writes_metrics(two, label):
    first, second = two / "rank=0" / label, two / "rank=1" / label
    for file in ("weights.safetensors", "link.json"):
        assert (first / file).read_bytes() == (second / file).read_bytes()
    assert not (second / "metrics.jsonl").exists()


# Of every kind one: without state, with a link, with a memory, with both, coupled, of all weights,
# of groups of unequal size, of comparisons.
@pytest.mark.parametrize(
    "label",
    ["dpo", "pspo", "ospo", "ospo_orthogonal", "rspo", "sft_full", "scores", "preferences"],
)
def test_a_run_of_two_ends_where_a_run_of_one_does(two, tmp_path, label):
    """Adam makes more of the rounding of a sum of gradients, and so does a narrow kernel."""
    with one_group_a_forward():
        result = run(
            label, tmp_path, elsewhere=True, micro_batch_size=BATCH, max_steps=SHARED_STEPS
        )
    first = two / "rank=0" / label
    rows = store.read_jsonl(first / "metrics.jsonl")
    for name in ("loss", "grad_norm"):
        expected = [row[name] for row in result.metrics]
        assert [row[name] for row in rows] == pytest.approx(expected, abs=1e-4, rel=1e-4)
    assert [row["examples_seen"] for row in rows] == [4, 8, 9, 13, 17]
    expected = load_file(tmp_path / "weights.safetensors")
    for name, weight in load_file(first / "weights.safetensors").items():
        torch.testing.assert_close(weight, expected[name], atol=1e-4, rtol=0)


def test_processes_drop_out_different_units_and_the_first_those_of_a_run_of_one(two):
    first, second = (store.read_json(two / f"rank={rank}" / "seeds.json") for rank in (0, 1))
    assert not set(first) & set(second) - {0}
    alone = [seeding.torch_seed(5, "dropout", step) for step in range(SHARED_STEPS)]
    assert [seed for seed in first if seed in alone] == alone
    weights = [
        load_file(two / f"rank={rank}" / "dropout" / "weights.safetensors") for rank in (0, 1)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("label", KILLED)
def test_killed_processes_resume_together(two, label):
    first = two / "rank=0"
    assert contents(first / "resumed" / label) == contents(first / "quiet" / label)


def test_all_processes_stop_and_the_first_writes_why(two):
    for rank in (0, 1):
        stopped, differ = store.read_json(two / f"rank={rank}" / "failures.json")
        assert "FloatingPointError" in stopped and "is not finite" in stopped
        assert differ == (
            "RuntimeError: the training processes differ in the step of the checkpoint they found: "
            "[6, 0]"
        )
    assert len(store.read_json(two / "rank=0" / "failed" / "failure.json")["groups"]) > 0
    assert not (two / "rank=1" / "failed" / "failure.json").exists()


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_shares_are_all_rows_in_order(count):
    for rows in (0, 1, 5, ROWS):
        shares = [Processes(rank, count).share(range(rows)) for rank in range(count)]
        assert [row for share in shares for row in share] == list(range(rows))
        sizes = [len(share) for share in shares]
        assert max(sizes) - min(sizes) <= 1
