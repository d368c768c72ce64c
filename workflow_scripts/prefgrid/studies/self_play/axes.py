"""What a cell of the self-play study names, of those that there are: a request for another is refused."""

from collections.abc import Collection, Mapping
from typing import Any

from prefgrid.config.suggestions import allowed
from prefgrid.files import cells
from prefgrid.studies.self_play import grid

Axes = Mapping[str, Any]
RUN = ("method", "judge", "seed")
ITERATE, AVERAGE = (*RUN, "iteration"), (*RUN, "average")
POOL = ("pool",)
RESPONSES = tuple(
    (*of, "by", "shard") for of in (("seed", "iteration"), ITERATE, POOL, (*RUN, *POOL))
)


def run(axes: Axes) -> dict[str, Any]:
    """What names the run of a cell; of what runs share, only that."""
    return {name: axes[name] for name in RUN if name in axes}


def of(study: Any, cell: str, *forms: tuple[str, ...]) -> dict[str, Any]:
    """The axes of a cell, of one of `forms` if any are given; ValueError for a value that `study`, the section,
    does not have, and for a cell that is written otherwise than the study writes it."""
    axes = cells.values(cell)
    if forms and tuple(axes) not in forms:
        known = ", ".join("/".join(f"{name}=…" for name in form) for form in forms)
        raise ValueError(f"{cell}: no such cell; allowed: {known}")
    if (written := cells.folders(axes)) != cell:
        raise ValueError(f"{cell}: written otherwise; allowed: {written}")
    judges = {row.judge: row for row in study.grid}
    if "judge" in axes:
        _among("judge", axes, judges)
    if "method" in axes:
        row = judges.get(axes.get("judge"))
        _among("method", axes, study.methods if row is None else row.methods)
    if "seed" in axes:
        _among("seed", axes, study.seeds)
    for name in ("iteration", "average"):
        if name in axes and axes[name] == 0:
            raise ValueError(f"{name}=0: the base; allowed: 1 to {study.iterations}")
        if name in axes and axes[name] not in range(1, study.iterations + 1):
            raise ValueError(f"{name}={axes[name]}; allowed: 1 to {study.iterations}")
    if "pool" in axes:
        _among("pool", axes, (grid.HELD_OUT, grid.BEST))
    if "by" in axes:
        most = study.iterations if "pool" in axes else axes["iteration"] - 1
        if axes["by"] not in range(most + 1):
            raise ValueError(f"by={axes['by']}; allowed: 0 (the base) to {most}")
        if ("method" in axes) != (axes["by"] > 0):
            raise ValueError(
                f"{cell}: the responses of the base, by=0, are of no method, and others' are of one; allowed: "
                "seed=…/iteration=…/by=0/shard=…, method=…/judge=…/seed=…/iteration=…/by=1/shard=…"
            )
        last = _shards(study, axes) - 1
        if axes["shard"] not in range(last + 1):
            raise ValueError(f"shard={axes['shard']}; allowed: 0" + (f" to {last}" if last else ""))
    return axes


def _shards(study: Any, axes: Axes) -> int:
    """Files of an iterate's responses: its own iteration's are shared among jobs, no opponent's are."""
    own = "pool" not in axes and axes["by"] == axes["iteration"] - 1
    return study.generation.shards if own else 1


def _among(name: str, axes: Axes, known: Collection[Any]) -> None:
    if axes[name] not in known:
        raise ValueError(f"{name}={axes[name]}; {allowed(str(axes[name]), known)}")
