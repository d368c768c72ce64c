"""What the present config and code would build: every job of a forced dry run.

Snakemake announces its jobs to the logger plugin in `workflow_scripts/plugins`, so that nothing is
read from its internals and no text is taken apart but the command lines, which are our own.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_TARGET = "all"
SCRIPTS = Path(__file__).resolve().parents[3]
# Read by the plugin: the file it writes to.
VARIABLE = "PREFGRID_PLAN"


class PlanError(RuntimeError):
    """Snakemake cannot plan these targets with this config; the text is its own."""


@dataclass(frozen=True)
class PlannedJob:
    """One job of the present config: what makes one artifact.

    inputs: those that its script reads, outputs: declared paths, relative to the run's folder. spec,
    code: the job's params.
    """

    script: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    spec: dict[str, Any]
    code: str

    @property
    def name(self) -> str:
        """The artifact's path in messages; a target that Snakemake understands."""
        return self.outputs[0]


@dataclass(frozen=True)
class Plan:
    """The jobs of a run, and the folder that their paths are relative to."""

    jobs: list[PlannedJob]
    folder: Path


def parse(announced: dict[str, Any]) -> PlannedJob | None:
    """A job from what the plugin says of it; None for a rule that makes no file.

    Declared inputs that its command does not name only have to be there before: weights that a
    manifest vouches for, rehearsals. A command that names none has too many for its line, and its spec
    lists them (`gather_table`).
    """
    if not announced["outputs"]:
        return None
    words = shlex.split(announced["shell"])
    named = set(words).intersection(announced["inputs"]) or set(announced["inputs"])
    return PlannedJob(
        script=announced["rule"],
        inputs=tuple(path for path in announced["inputs"] if path in named),
        outputs=tuple(announced["outputs"]),
        spec=json.loads(words[words.index("--spec") + 1]),
        code=words[words.index("--code") + 1],
    )


def ask(options: Sequence[str], start: Path, targets: Sequence[str] = ()) -> Plan:
    """Every job that leads to `targets` (the default one, if none is given), built or not.

    options: further command-line options of Snakemake. start: the folder it is called in. Nothing
    is run, and what Snakemake remembers of earlier runs plays no part. Raises PlanError.
    """
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "plan.jsonl"
        forced = ["--forceall", "--rerun-incomplete", "--quiet", "rules", "--logger", "plan"]
        # Targets first: a list-valued option at the end would swallow them.
        _dry_run([*targets, *options, *forced], start, {VARIABLE: str(lines)})
        announced = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    jobs = [job for job in map(parse, announced) if job]
    return Plan(jobs, Path(announced[0]["folder"]))


def target_rules(options: Sequence[str], start: Path) -> list[str]:
    """All rules that Snakemake can be asked for by name. Raises PlanError."""
    # A name a line, a docstring in brackets behind it, among sentences about the config.
    listed = _dry_run([*options, "--list-target-rules"], start)
    return re.findall(r"^(\w+)(?: \(.*)?$", listed, flags=re.MULTILINE)


def on_request(options: Sequence[str], start: Path, targets: Sequence[str]) -> list[PlannedJob]:
    """The jobs that lead to these files, as far as Snakemake knows how to make them."""
    if not targets:
        return []
    try:
        return ask(options, start, targets).jobs
    except PlanError:
        if len(targets) == 1:
            return []
        middle = len(targets) // 2
        halves = (targets[:middle], targets[middle:])
        return [job for half in halves for job in on_request(options, start, half)]


def _dry_run(words: Sequence[str], start: Path, variables: Mapping[str, str] | None = None) -> str:
    """Standard output of a dry run, which locks nothing; Snakemake finds our plugin."""
    path = os.pathsep.join(filter(None, [str(SCRIPTS / "plugins"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "snakemake", *words, "--dry-run"],
        cwd=start,
        env=os.environ | {"PYTHONPATH": path, "PYTHONUTF8": "1"} | (variables or {}),
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise PlanError((done.stdout + done.stderr).strip())
    return done.stdout
