"""Where a dataset's files come from and what they hold, read from its source without importing it."""

from dataclasses import dataclass
from functools import cache

from prefgrid.config import modules

# Folders of results/data/ that are not a dataset's.
TAKEN = ("prompts", "comparisons", "tiny_world_quality")

_KIND = modules.Kind("dataset", "data", ("SOURCE", "FIELDS"), ("read",))
module_name, known = _KIND.module_name, _KIND.known


@dataclass(frozen=True)
class Constants:
    """A dataset's literals: the hub id that its schema is of, and the columns that are read."""

    source: str
    fields: tuple[str, ...]


@cache
def constants(dataset: str) -> Constants:
    """The literals of a dataset; ValueError if there is none of this name, or they are not usable."""
    found = _KIND.read(dataset)
    source, fields = found["SOURCE"], found["FIELDS"]
    if folder(dataset) in TAKEN:
        raise ValueError(
            f"{_KIND.called(dataset)}: results/data/{folder(dataset)} holds something else; "
            "allowed: a module of another last name"
        )
    if not isinstance(source, str) or not source:
        raise ValueError(f"{_KIND.called(dataset)}: SOURCE must be a hub id")
    if not isinstance(fields, tuple) or not all(isinstance(name, str) for name in fields):
        raise ValueError(f"{_KIND.called(dataset)}: FIELDS must be a tuple of columns")
    return Constants(source, fields)


def folder(dataset: str) -> str:
    """The folder of its file in results/data: the last part of its name."""
    return dataset.rpartition(".")[2]
