"""The cells of the self-play study and where each lies, by the config's section alone.

A run is a (method, judge, seed); iterate t of it is its policy after iteration t, and iterate 0 is the base.
Axes are {method, judge, seed}; paths are below results/self_play.
"""

from collections.abc import Mapping
from typing import Any

from prefgrid.files import cells

ROOT = "results/self_play"
# Of artifacts that are asked for on held-out prompts.
HELD_OUT = "eval"
# Of those that best of n chooses among.
BEST = "best"

# What is measured of a run: name → file.
MEASURED = {
    "iterations": "iterations.csv",
    "contests": "contests.csv",
    "classes": "classes.csv",
    "best_of": "best_of.csv",
    "prompts": "prompts.parquet",
    "selection": "selection.json",
}

Axes = Mapping[str, Any]


def runs(study: Any) -> list[tuple[Any, dict[str, Any]]]:
    """(row of the grid, axes) of every run: row by row, method by method, seeds fastest."""
    return [
        (row, {"method": method, "judge": row.judge, "seed": seed})
        for row in study.grid
        for method in row.methods
        for seed in study.seeds
    ]


def row_of(study: Any, judge: str) -> Any:
    """The row of the grid whose judge trains; KeyError of none."""
    return next(row for row in study.grid if row.judge == judge)


def scorers_of(study: Any, row: Any) -> list[str]:
    """Labels of the judges whose scores of held-out samples the tables show, that of classes last."""
    classes = [] if row.classes is None else [row.classes]
    return [*(label for label in study.evaluation.scorers if label != row.classes), *classes]


def prompts(iteration: int) -> str:
    """Those that iteration t answers."""
    return f"{ROOT}/prompts/iteration={iteration}/prompts.jsonl"


def held_out_prompts() -> str:
    return f"{ROOT}/prompts/pool={HELD_OUT}/prompts.jsonl"


def iterate(axes: Axes, iteration: int) -> str:
    """The cell of an iterate's policy, t ≥ 1, and of what is asked of it."""
    return cells.folders({**axes, "iteration": iteration})


def average(axes: Axes, iterations: int) -> str:
    """The cell of the policy whose weights are the mean of iterates 1 to `iterations`."""
    return cells.folders({**axes, "average": iterations})


def policy(axes: Axes, iteration: int) -> str:
    """Folder of iterate t ≥ 1."""
    return f"{ROOT}/policies/{iterate(axes, iteration)}"


def policies(axes: Axes, last: int) -> list[str]:
    """Folders of iterates 1 to `last`, oldest first."""
    return [policy(axes, iteration) for iteration in range(1, last + 1)]


def averaged(axes: Axes, iterations: int) -> str:
    """Folder of the average of iterates 1 to `iterations`."""
    return f"{ROOT}/averages/{average(axes, iterations)}"


def published(axes: Axes, iteration: int) -> str:
    """What iteration t trained on, as SPPO published it; the generated responses are beside it."""
    return f"{ROOT}/published/{iterate(axes, iteration)}/train.parquet"


def samples(axes: Axes, iteration: int) -> str:
    """Held-out samples of iterate t; of the base, 0, those that all runs share."""
    cell = iterate(axes, iteration) if iteration else f"pool={HELD_OUT}"
    return f"{ROOT}/held_out/{cell}/samples.jsonl"


def average_samples(axes: Axes, iterations: int) -> str:
    """Held-out samples of the average."""
    return f"{ROOT}/held_out/{average(axes, iterations)}/samples.jsonl"


def contest(cell: str, asked: str) -> str:
    """Logits of the judge `asked` of a cell's held-out samples against those of its opponents."""
    return f"{ROOT}/matrices/{cell}/asked={asked}/matrices.parquet"


def scores(cell: str, asked: str) -> str:
    """Scores by the judge `asked` of a cell's held-out samples; the base's cell is pool=eval."""
    return f"{ROOT}/rewards/{cell}/asked={asked}/rewards.jsonl"


def measured(axes: Axes, file: str) -> str:
    """What is measured of a run, one of `MEASURED`."""
    return f"{ROOT}/measured/{cells.folders(axes)}/{file}"


def best_cell(axes: Axes) -> str:
    """The cell of what best of n chooses among: the last iterate's, or of no axes the base's."""
    return cells.folders({**axes, "pool": BEST})


def best_responses(axes: Axes, iteration: int) -> str:
    """The candidates of best of n."""
    return f"{ROOT}/responses/{best_cell(axes)}/by={iteration}/shard=0/responses.jsonl"
