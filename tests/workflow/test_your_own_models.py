"""The walk of docs/your_own_models_and_data.md as dry runs: its commands, its file, its row of data.

Planning looks at local models by their bytes alone, so any will do here.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from prefgrid.data import ultrafeedback
from tests.workflow.conftest import REPOSITORY, copy_sources, environment, planned_jobs

PAGE = REPOSITORY / "docs" / "your_own_models_and_data.md"
MINE = "runs/mine"


def block(language: str) -> str:
    """The page's one block of code in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    return found


def commands() -> list[str]:
    return re.findall(r"^\.venv/bin/snakemake (.*)$", PAGE.read_text(), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone with the page's folder, the data being the page's row."""
    folder = tmp_path_factory.mktemp("own") / "clone"
    copy_sources(folder)
    own = folder / MINE
    for name in ("models/base/config.json", "models/reward/config.json"):
        (own / name).parent.mkdir(parents=True)
        (own / name).write_text("{}")
    (own / "data").mkdir()
    (own / "data" / "preferences.jsonl").write_text(block("json"))
    (own / "mine.yaml").write_text(block("yaml"))
    yield folder


def dry_run(tree: Path, command: str) -> str:
    """The output of one of the page's commands, told to build nothing, as .venv/bin/snakemake runs it."""
    words = shlex.split(command)
    words = words if "-n" in words else ["-n", "-q", "rules", *words]
    launcher = tree / "workflow_scripts" / "launch.py"
    env = {**environment(), "PATH": os.environ["PATH"]}
    env.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(
        [sys.executable, str(launcher), *words], cwd=tree, capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_commands_plan_what_the_page_says(tree: Path) -> None:
    outputs = [dry_run(tree, command) for command in commands()]
    plan, longer, rehearsals, everything = map(planned_jobs, outputs)
    assert plan == longer == everything
    said = int(re.search(r"has: (\d+) in this preset", PAGE.read_text())[1])
    assert sum(plan.values()) == said and plan["train_policy"] == 1
    assert rehearsals == {"fetch_model": 2, "rehearse_model": 2}


def test_a_path_that_is_nowhere_is_told_by_the_plan(tree: Path) -> None:
    wrong = yaml.safe_load(block("yaml"))
    wrong["hub"]["models"]["base"]["source"] = "models/bases"
    (tree / MINE / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    with pytest.raises(AssertionError, match=r"hub\.models\.base\.revision.*models/bases"):
        dry_run(tree, commands()[0].replace("mine.yaml", "wrong.yaml"))


@pytest.mark.parametrize("prompts_only", [False, True])
def test_the_rows_of_the_page_are_read(tmp_path: Path, prompts_only: bool) -> None:
    row = json.loads(block("json"))
    if prompts_only:
        assert '`"completions": []` is enough' in PAGE.read_text()
        row["completions"] = []
    file = tmp_path / "preferences.jsonl"
    file.write_text(json.dumps(row) + "\n")
    found = ultrafeedback.read(file, 0.0)
    (one,) = found.rows
    assert found.skipped == () and one.prompt == row["instruction"]
    scores = [completion.score for completion in one.completions]
    assert scores == ([] if prompts_only else [4.0])
