"""What the benchmarks compare with is right, and they run."""

import importlib
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_decoders import EOS_IDS, lora_policy, unequal_prompts
from tiny_policy import PAD, tiny_model

from prefgrid.files import store
from prefgrid.logprobs.sequence import sequence_logps
from prefgrid.training.batches import Group

REPOSITORY = Path(__file__).resolve().parents[2]
BENCHMARKS = sorted((REPOSITORY / "benchmarks").glob("*.py"))
GROUPS = [
    Group([7, 8, 9], ([10, 11, 1], [12, 1]), 1.0),
    Group([5], ([20, 1], [30, 31, 32, 33, 1]), 0.0),
]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY)
    monkeypatch.setattr(store, "log", lambda *_: None)


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_every_benchmark_imports(path):
    """What runs for minutes, or needs finished results, at least finds what it calls."""
    importlib.import_module(f"benchmarks.{path.stem}")


@torch.no_grad()
def test_the_straightforward_log_ratios_are_ours():
    from benchmarks import published

    policy, reference = lora_policy(), tiny_model()
    ratios = published.log_ratios(policy, reference, GROUPS, PAD)
    tokens = [group.prompt_tokens for group in GROUPS], [group.responses for group in GROUPS]
    expected = [sequence_logps(model, *tokens, pad_id=PAD)[0] for model in (policy, reference)]
    torch.testing.assert_close(ratios, expected[0] - expected[1], atol=1e-4, rtol=1e-4)
    alone = published.indices_one_by_one(policy, reference, GROUPS, PAD)
    torch.testing.assert_close(alone, ratios[:, 1] - ratios[:, 0], atol=1e-4, rtol=1e-4)


def test_the_straightforward_scan_ends_rows_at_their_end_tokens():
    from benchmarks import published

    torch.manual_seed(0)
    responses = published.decode_at_beta(
        lora_policy(), tiny_model(), unequal_prompts(), 0.5, 12, EOS_IDS, PAD
    )
    assert len(responses) == 5 and any(len(tokens) < 12 for tokens in responses)
    for tokens in responses:
        assert not set(tokens[:-1]) & set(EOS_IDS)
        assert len(tokens) == 12 or tokens[-1] in EOS_IDS


def test_the_scan_s_benchmark_runs():
    from benchmarks import scan

    [row] = scan.rows((replace(scan.TINY, prompts=2, new_tokens=2),))
    assert math.isfinite(row.ratio) and row.target == "<= 3"


@pytest.mark.parametrize("name", ["the numbers task", "self-play"])
def test_scored_groups_and_padded_rows_take_the_same_steps(monkeypatch, name):
    from benchmarks import scored_groups

    case = scored_groups.CASES[name]
    shape = replace(case.shape, pairs=2, prompt=9, responses=(2, 4), steps=3)
    monkeypatch.setitem(scored_groups.CASES, name, replace(case, shape=shape))
    groups, padded = (scored_groups.measured(name, way) for way in scored_groups.WAYS)
    assert padded["losses"] == pytest.approx(groups["losses"], abs=1e-5)
    assert groups["losses"] != padded["losses"], "the other did not run"
    assert len(groups["seconds"]) == len(padded["seconds"]) == 2


def test_a_preference_matrix_is_that_of_padded_rows(monkeypatch):
    from benchmarks import preference_matrix

    small = replace(preference_matrix.CPU, pairs=2, prompt=9, responses=(2, 6))
    monkeypatch.setattr(preference_matrix, "CPU", small)
    monkeypatch.setattr(preference_matrix, "BATCHES", 2)
    ours, padded = (preference_matrix.measured(way) for way in preference_matrix.WAYS)
    for one, other in zip(ours["logits"], padded["logits"], strict=True):
        assert one == pytest.approx(other, abs=preference_matrix.TOLERANCE)
    assert ours["logits"] != padded["logits"], "the other did not run"
    assert max(map(abs, ours["logits"][0])) > 0.1


def test_a_folder_without_results_is_no_finished_grid(tmp_path):
    from benchmarks.finished_grid import FinishedGrid

    with pytest.raises(FileNotFoundError, match="holds no finished grid: run `make run` first"):
        FinishedGrid(tmp_path)


def test_the_bare_snakefile_plans_the_same_jobs(tmp_path):
    from benchmarks import graph

    grid = graph.Grid(16, tmp_path / "grid")
    grid.write_bare()
    ours, bare = (grid.dry_run(workflow) for workflow in (grid.ours, grid.bare))
    assert graph.jobs(ours) == graph.jobs(bare) > 16
    made, again = (
        files(grid.snakemake(*workflow, "--summary", "-q")) for workflow in (grid.ours, grid.bare)
    )
    assert made == again and sum(path.endswith("/evaluation.csv") for path in made) == 16
    rules = json.loads((grid.folder / "bare.json").read_text())
    patterns = {path for _, path, _ in rules["train_policy"]["input"] if isinstance(path, str)}
    root = "results/link_robustness"
    assert patterns == {
        f"{root}/preferences/seed={{seed}}/shift={{shift}}/n={{n}}/preferences.jsonl",
        f"{root}/reference_logps/seed={{seed}}/logps.parquet",
        "results/models/reference/manifest.json",
        "results/models/reference/model.safetensors",
    }


def files(summary) -> list[str]:
    """What a workflow makes, as `snakemake --summary` lists it."""
    names = (line.partition("\t")[0] for line in summary.output.splitlines())
    return sorted(name for name in names if name.startswith("results/"))


def test_all_ways_to_a_pair_rankers_logits_are_one(monkeypatch):
    pair_matrices = importlib.import_module("benchmarks.pair_matrices")
    for name, value in {"PROMPT": (3, 9), "RESPONSE": (2, 12), "PUBLISHED_WIDTH": 64}.items():
        monkeypatch.setattr(pair_matrices, name, value)
    ours, *others = (
        pair_matrices.measured(way, 2)["logits"] for way in ("ours", *pair_matrices.OTHERS)
    )
    assert max(ours) - min(ours) > 1e-3 and len(others) == 3
    for other in others:
        assert other == pytest.approx(ours, abs=pair_matrices.TOLERANCE)


def test_an_iteration_of_self_play_needs_a_finished_run(tmp_path):
    from benchmarks.self_play_iteration import Iteration

    with pytest.raises(FileNotFoundError, match="holds no finished run: run `make run` first"):
        Iteration(folder=tmp_path)
