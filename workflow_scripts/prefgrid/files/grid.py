"""Hive-partitioned grids: the key=value folders of a path, and many cells' files as one table."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefgrid.files import reading

if TYPE_CHECKING:
    import pandas

# What the text after "key=" becomes. Any other key stays text.
PARTITION_TYPES: dict[str, Callable[[str], Any]] = {
    "seed": int,
    "shift": float,
    "n": int,
    "shard": int,
    "tau": float,
}


def partition(path: Path | str) -> dict[str, Any]:
    """The key=value folders of a path, typed: .../seed=3/shift=0.5/x.csv → {seed: 3, shift: 0.5}."""
    pairs = (part.split("=", 1) for part in Path(path).parts if "=" in part)
    return {key: PARTITION_TYPES.get(key, str)(value) for key, value in pairs}


def read_grid(paths: Iterable[Path | str], kind: Any = None) -> "pandas.DataFrame":
    """Concatenate CSV, parquet or JSONL files of a grid; their partition keys become columns.

    Keys that the file itself already holds as a column are left as the file has them. kind: what
    the files' rows must be, see `records`; None: anything.
    """
    import pandas

    readers: dict[str, Callable[..., pandas.DataFrame]] = {
        ".csv": reading.read_csv,
        ".parquet": reading.read_parquet,
        ".jsonl": lambda path, kind: pandas.DataFrame(reading.read_jsonl(path, kind)),
    }
    frames = []
    for path in map(Path, paths):
        frame = readers[path.suffix](path, kind)
        keys = {key: value for key, value in partition(path).items() if key not in frame}
        frames.append(frame.assign(**keys))
    return pandas.concat(frames, ignore_index=True)
