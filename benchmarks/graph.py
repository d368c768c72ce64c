"""What the dependency graph costs: dry runs and no-op runs of wide grids, and our share of it.

The grids have many seeds and are made for the purpose; nothing of them is ever computed: for the
no-op runs every result is an empty file that `snakemake --touch` has accepted. All times are CPU
seconds, which for Snakemake's own work are its seconds on a quiet machine.

Our share: the same dry run of a bare Snakefile (`bare`), which plans the same jobs of the same files by
literal patterns, with constant params: what is above it is our config, wiring, specs and fingerprints.

    python -m benchmarks.graph                        # 1,000 and 10,000 policy cells
    python -m benchmarks.graph --dry 50000 --no-op 5000
"""

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.table import Row, print_table

ROOT = Path(__file__).resolve().parents[1]
# Snakemake's touching executor rests for a tenth of a second at every job.
TOUCH = (
    "from snakemake.executors import touch; touch.Executor.SLEEPING_TIME = 0; "
    "from snakemake.cli import main; main()"
)
ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """Of one process: CPU seconds, peak resident memory, and what it printed."""

    seconds: float
    megabytes: float
    output: str

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.megabytes:,.0f} MB"


class Grid:
    """Our workflow with about `cells` policy cells, in an empty folder."""

    def __init__(self, cells: int, folder: Path) -> None:
        study = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))[
            "link_robustness"
        ]
        per_seed = math.prod(len(study[axis]) for axis in ("methods", "shifts", "n"))
        seeds = list(range(math.ceil(cells / per_seed)))
        self.cells = len(seeds) * per_seed
        self.folder = folder
        self.folder.mkdir(parents=True)
        preset = {"studies": ["link_robustness"], "link_robustness": {"seeds": seeds}}
        # JSON is YAML, and quicker to read.
        (folder / "preset.yaml").write_text(json.dumps(preset), encoding="utf-8")
        self.ours = ("-s", str(ROOT / "Snakefile"), "--configfile", "preset.yaml")
        self.bare = ("-s", "bare.smk", "--workflow-profile", str(ROOT / "profiles" / "default"))

    def snakemake(self, *arguments: str) -> Cost:
        return measured([sys.executable, "-m", "snakemake", *arguments], self.folder)

    def dry_run(self, workflow: Sequence[str]) -> Cost:
        return self.snakemake(*workflow, "-n", "--quiet", "rules")

    def write_bare(self) -> None:
        command = [sys.executable, "-m", "benchmarks.bare", str(ROOT / "Snakefile"), "preset.yaml"]
        measured(command, self.folder)

    def pretend_finished(self) -> None:
        """Every result of the grid as an empty file, with Snakemake's records of it."""
        summary = self.snakemake(*self.ours, "--summary", "-q").output.splitlines()
        paths = [line.split("\t")[0] for line in summary if line.startswith("results/")]
        for path in map(self.folder.joinpath, paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        measured([sys.executable, "-c", TOUCH, *self.ours, "--touch", "-q"], self.folder)

    def no_op(self) -> Cost:
        """A run that finds everything finished; RuntimeError if it finds work."""
        cost = self.snakemake(*self.ours)
        if "Nothing to be done" not in cost.output:
            raise RuntimeError(f"the run was not without work:\n{cost.output[-2000:]}")
        return cost


def measured(command: Sequence[str], folder: Path) -> Cost:
    """Run to the end; RuntimeError with its output unless it succeeds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}:\n{text[-2000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def rows(dry: Sequence[int] = (1000, 10_000), no_op: Sequence[int] = (1000,)) -> list[Row]:
    """Dry runs and no-op runs at these numbers of cells, and our share at the smallest."""
    found = []
    with tempfile.TemporaryDirectory(prefix="prefgrid-graph-") as folder:
        fresh = (Grid(cells, Path(folder, f"dry-{cells}")) for cells in dry)
        for grid in fresh:
            found.append(
                _reported(f"dry run, {grid.cells:,} policy cells", grid.dry_run(grid.ours))
            )
        for cells in no_op:
            grid = Grid(cells, Path(folder, f"no-op-{cells}"))
            grid.pretend_finished()
            found.append(_reported(f"no-op run, {grid.cells:,} policy cells", grid.no_op()))
        found.append(_share(Grid(min(dry), Path(folder, "share"))))
    return found


def _reported(what: str, cost: Cost) -> Row:
    print(f"{what}: {cost}", file=sys.stderr, flush=True)
    return Row(what, str(cost), "", math.nan, "reported")


def _share(grid: Grid) -> Row:
    """Median of interleaved dry runs, ours and the bare Snakefile's, which plan the same jobs."""
    grid.write_bare()
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(grid.dry_run(grid.ours))
        bare.append(grid.dry_run(grid.bare))
        planned = {jobs(ours[-1]), jobs(bare[-1])}
        if len(planned) > 1:
            raise RuntimeError(f"ours and the bare Snakefile plan {planned} jobs")
    our_seconds, bare_seconds = (
        statistics.median(c.seconds for c in costs) for costs in (ours, bare)
    )
    return Row(
        what=f"dry run, {grid.cells:,} policy cells, against a bare Snakefile",
        ours=f"{our_seconds:.2f} s",
        other=f"{bare_seconds:.2f} s",
        ratio=our_seconds / bare_seconds,
        target="<= 1.20",
    )


def jobs(dry_run: Cost) -> int:
    """How many jobs a dry run plans."""
    return int(re.search(r"^total +(\d+)", dry_run.output, re.MULTILINE).group(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry", type=int, nargs="+", default=[1000, 10_000], help="policy cells")
    parser.add_argument("--no-op", type=int, nargs="+", default=[1000], help="policy cells")
    sizes = parser.parse_args()
    print_table(rows(sizes.dry, sizes.no_op))


if __name__ == "__main__":
    main()
