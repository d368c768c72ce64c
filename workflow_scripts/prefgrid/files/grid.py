"""Many cells' files as one table, the cells' keys as columns."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prefgrid.files import cells, reading, store

if TYPE_CHECKING:
    import pandas

TABLES = (".csv", ".parquet", ".jsonl")


def read_grid(folder: Path | str, table: str = "evaluation.csv") -> "pandas.DataFrame":
    """The tables of this name of all cells in `folder` as one, as `read_cells` gives it.

    folder: a grid's, such as results/link_robustness/evaluations, or one above or below it. DataError
    where it holds no such table (naming those that it has), or those of several grids.
    """
    root = Path(os.path.abspath(folder))
    paths = _in_cells(root, table)
    if not paths:
        there = {path.name for path in _in_cells(root, "*") if path.suffix in TABLES}
        raise store.DataError(
            f"{folder}: no cell in it has a table {table!r}; "
            f"there are: {', '.join(sorted(there)) or 'none'}"
        )
    grids = {os.path.relpath(cells.split(path)[0], root) for path in paths}
    if len(grids) > 1:
        raise store.DataError(
            f"{folder}: holds {table!r} of several grids, of which one must be named: "
            f"{', '.join(sorted(grids))}"
        )
    return read_cells(paths)


def read_cells(paths: Iterable[Path | str]) -> "pandas.DataFrame":
    """Concatenate the tables of a grid's cells, as jobs made them; the cells' keys become columns.

    Keys that the file itself already holds as a column are left as the file has them.
    """
    import pandas

    frames = []
    for path in paths:
        frame = reading.read_table(path)
        keys = cells.values(cells.split(path)[1])
        own = {key: value for key, value in keys.items() if key not in frame}
        frames.append(frame.assign(**own))
    return pandas.concat(frames, ignore_index=True)


def _in_cells(root: Path, name: str) -> list[Path]:
    """Files of this name in the cells of finished jobs below `root`, sorted."""
    return sorted(
        path
        for path in root.rglob(name)
        if path.is_file()
        and cells.split(path)[1]
        and not any(part.startswith((".", "_")) for part in path.relative_to(root).parts)
    )
