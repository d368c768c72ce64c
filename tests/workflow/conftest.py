"""A finished run of the whole workflow on a shrunken tiny world, in a copy of the source tree."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("Snakefile", "config.yaml", "rules", "workflow_scripts", "profiles", "envs", "presets")
SMALL = REPOSITORY / "tests" / "workflow" / "small.yaml"
SNAKEMAKE = [sys.executable, "-m", "snakemake"]


@dataclass
class Checkout:
    """A source tree with its results, and Snakemake run inside it."""

    folder: Path

    def snakemake(self, *words: str, check: bool = True) -> str:
        """Run Snakemake; its whole output. check: fail the test on a non-zero exit status."""
        done = subprocess.run(
            [*SNAKEMAKE, "--configfile", "small.yaml", "--cores", "2", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=environment(),
        )
        output = done.stdout + done.stderr
        if check and done.returncode != 0:
            pytest.fail(f"snakemake {' '.join(words)} failed:\n{output[-6000:]}")
        return output

    def start(self, *words: str) -> subprocess.Popen:
        """Snakemake in the background, silent."""
        return subprocess.Popen(
            [*SNAKEMAKE, "--configfile", "small.yaml", "--cores", "2", *words],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )

    def planned(self, *words: str) -> dict[str, int]:
        """Jobs per rule that a dry run lists."""
        return planned_jobs(self.snakemake("-n", *words))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace one piece of text in a source file; it must occur there exactly once."""
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new))

    def copy(self, folder: Path) -> "Checkout":
        """A second checkout whose source files are new and whose results came along."""
        copy_sources(folder)
        for name in ("results", ".snakemake"):
            shutil.copytree(self.folder / name, folder / name, symlinks=True)
        return Checkout(folder)


def environment() -> dict[str, str]:
    """Ours without the variables of an outer Snakemake."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PREFGRID_")}


def planned_jobs(output: str) -> dict[str, int]:
    """Rule → number of jobs, from the table that Snakemake prints first."""
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", output, flags=re.MULTILINE))
    jobs.pop("total", None)
    return {rule: int(count) for rule, count in jobs.items()}


def copy_sources(folder: Path) -> None:
    """Copy what a clone would hold; every file gets a new modification time."""
    folder.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, folder / name)
    shutil.copyfile(SMALL, folder / "small.yaml")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One complete small run. Tests that change it must work on a copy."""
    folder = tmp_path_factory.mktemp("workflow") / "repository"
    copy_sources(folder)
    checkout = Checkout(folder)
    checkout.snakemake()
    return checkout


@pytest.fixture
def edited(finished: Checkout) -> Iterator[Checkout]:
    """The finished checkout, its sources restored after the test; for dry runs only."""
    yield finished
    for name in SOURCES:
        path = finished.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    fresh = finished.folder.parent / "fresh"
    copy_sources(fresh)
    for name in (*SOURCES, "small.yaml"):
        target = finished.folder / name
        if target.is_file():
            target.unlink()
        (fresh / name).rename(target)
    shutil.rmtree(fresh)
