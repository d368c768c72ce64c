"""Cells of grids: the key=value folders that name an artifact, and the values that they spell.

The one place where such folders are written and read. It stands below the studies, because the reader of
a grid's files turns folders into columns.
"""

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# Numbers as Python writes them; any other value stays text.
WHOLE = re.compile(r"-?\d+")
REAL = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
# What a rule's {cell} may be: one or more key=value folders.
PATTERN = r"[a-z_][a-z0-9_]*=[^/=]+(?:/[a-z_][a-z0-9_]*=[^/=]+)*"


def folders(axes: Mapping[str, Any]) -> str:
    """{method: dpo, shift: 0.5} → method=dpo/shift=0.5: the one path form of a cell."""
    return "/".join(f"{key}={value}" for key, value in axes.items())


def every(axes: Mapping[str, Iterable[Any]]) -> list[str]:
    """The cells of a grid, the last axis fastest."""
    names = list(axes)
    return [
        folders(dict(zip(names, values, strict=True)))
        for values in itertools.product(*axes.values())
    ]


def split(path: Path | str) -> tuple[Path, str]:
    """(grid, cell) of a cell's file: …/evaluations/seed=3/shift=0.5/x.csv → (…/evaluations,
    seed=3/shift=0.5). Of a file of no cell the cell is empty."""
    folder, parts = Path(path).parent, []
    while re.fullmatch(PATTERN, folder.name):
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, "/".join(parts)


def values(path: Path | str) -> dict[str, Any]:
    """The key=value folders of a path, typed: .../seed=3/shift=0.5/x.csv → {seed: 3, shift: 0.5}."""
    pairs = (part.split("=", 1) for part in str(path).split("/") if "=" in part)
    return {key: _value(text) for key, text in pairs}


def _value(text: str) -> Any:
    if WHOLE.fullmatch(text):
        return int(text)
    return float(text) if REAL.fullmatch(text) else text
