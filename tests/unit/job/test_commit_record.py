"""The commit in a record: clean for who follows the README, changed for who edits code. Oracle: git."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
MODULE = "workflow_scripts/prefgrid/job/provenance.py"
PROGRAM = "import provenance; print(provenance.git_commit())"
PAGES = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with our .gitignore and a little of our tree, all committed."""
    for name in (".gitignore", "config.yaml", "presets/spo_smoke.yaml", MODULE, "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "start")
    return tmp_path


def recorded(clone: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str((clone / MODULE).parent)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def write(path: Path, text: str = "x\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_what_the_readme_makes_is_no_change_of_the_code(clone):
    """Every folder that README and docs run in, results, the set-up's files, settings of one's own."""
    named = {
        folder
        for page in PAGES
        for folder in re.findall(r"--directory[ =](\w[\w./-]*)", page.read_text())
    }
    assert {"runs/single_index", "runs/baselines"} <= named
    for folder in (".", *named):
        write(clone / folder / "results" / "report.html")
        write(clone / folder / ".snakemake" / "log" / "run.log")
    for name in (".venv/bin/python", "build/lib/a.py", "prefgrid.egg-info/PKG-INFO"):
        write(clone / name)
    write(clone / "models/base/config.json")
    write(clone / "data/preferences.jsonl")
    write(clone / "presets/mine.yaml")
    write(clone / "profiles/mine/profile.yaml")
    write(clone / "config.yaml", "seeds: [1]\n")
    assert recorded(clone) == git(clone, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    "name", [MODULE, "workflow_scripts/my_objective.py", "mine.py", "Snakefile"]
)
def test_code_that_is_edited_or_added_is_a_change(clone, name):
    write(clone / name, f"{(REPOSITORY / MODULE).read_text()}\n# edited\n")
    assert recorded(clone) == git(clone, "rev-parse", "HEAD") + "+changes"


def test_outside_git_the_commit_is_unknown(clone):
    shutil.rmtree(clone / ".git")
    assert recorded(clone) == "unknown"
