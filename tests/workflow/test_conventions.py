"""The work tree itself: lint, format, and what the presets for real models would run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY, SNAKEMAKE, copy_sources, environment, planned_jobs


def run(*words: str, folder: Path = REPOSITORY) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_snakemake_lint_is_clean(tmp_path: Path) -> None:
    # A copy, so that a run going on in the work tree cannot interfere.
    copy_sources(tmp_path / "tree")
    output = run(*SNAKEMAKE, "--lint", folder=tmp_path / "tree")
    assert "your workflow is in a good condition" in output


def test_snakefmt_and_ruff_are_clean() -> None:
    run(sys.executable, "-m", "snakefmt", "--check", "Snakefile", "rules")
    run(sys.executable, "-m", "ruff", "check", "workflow_scripts", "tests", "benchmarks")
    run(
        sys.executable, "-m", "ruff", "format", "--check", "workflow_scripts", "tests", "benchmarks"
    )


COUNTS = {
    # Published grid: 4 seeds × 4 shifts × n = 5000 × 4 methods, two shards a seed. And the reference's
    # samples on held-out prompts, once for all.
    "spo_ultrafeedback": (4 * 2 + 1, 4 + 1, 4 + 1, 16, 64),
    "spo_link_stress": (4 * 2 + 1, 4 + 1, 4 + 1, 16, 64),
    "spo_published": (4 * 2 + 1, 4 + 1, 4 + 1, 16, 64),
    "spo_smoke": (1 + 1, 1 + 1, 1 + 1, 1, 1),
}


@pytest.mark.parametrize("preset", COUNTS)
def test_presets_plan_each_stage_once(preset: str, tmp_path: Path) -> None:
    copy_sources(tmp_path / "tree")
    words = ("-n", "--quiet", "rules", "--configfile", f"presets/{preset}.yaml")
    output = run(*SNAKEMAKE, *words, folder=tmp_path / "tree")
    planned = planned_jobs(output)
    stages = (
        "sample_responses",
        "score_responses",
        "compute_reference_logps",
        "label_preferences",
        "train_policy",
    )
    assert tuple(planned[stage] for stage in stages) == COUNTS[preset]
    assert planned["evaluate_policy"] == planned["train_policy"]
    assert planned["fetch_model"] == planned["rehearse_model"] == 2
    assert not [rule for rule in planned if "single_index" in rule]


def test_the_published_softpo_needs_one_model_and_no_data(tmp_path: Path) -> None:
    copy_sources(tmp_path / "tree")
    preset = ("--configfile", "presets/softpo_published.yaml")
    words = ("-n", "--quiet", "rules", *preset)
    planned = planned_jobs(run(*SNAKEMAKE, *words, folder=tmp_path / "tree"))
    once = ("fetch_model", "adopt_reference", "teach_numbers", "build_report")
    assert {name: planned[name] for name in once} == dict.fromkeys(once, 1)
    assert planned["train_soft_policy"] == 2
    data = {"fetch_dataset", "build_prompt_pools", "score_responses", "train_policy"}
    assert not data & planned.keys()
    output = run(*SNAKEMAKE, "sources", *words, folder=tmp_path / "tree")
    assert {name for name, count in planned_jobs(output).items() if count} - {"total"} <= {
        "sources",
        "fetch_model",
    }


def test_what_runs_a_fetched_model_waits_for_its_rehearsal(tmp_path: Path) -> None:
    """Each itself: what came before it may be finished when a method or a judge is added."""
    copy_sources(tmp_path / "tree")
    words = ("--rulegraph", "--configfile", "presets/spo_smoke.yaml")
    edges = re.findall(
        r"(\d+) -> (\d+)", graph := run(*SNAKEMAKE, *words, folder=tmp_path / "tree")
    )
    names = dict(re.findall(r'(\d+)\[label = "(\w+)', graph))
    waiting = {names[after] for before, after in edges if names[before] == "rehearse_model"}
    assert waiting >= {"adopt_reference", "score_responses", "train_policy"}
