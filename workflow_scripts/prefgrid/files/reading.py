"""Readers of two sorts of files: what this workflow made, and what people may have written.

A table that a job made is exactly the one of its record, or nothing. JSON is held to its type (see
`records`), as it may come from anywhere. Either a reader gives what the file says, or it raises
DataError naming the file, and in JSON the line and the field.
"""

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefgrid.files import artifacts, formats, kinds, records, store
from prefgrid.files.store import DataError

if TYPE_CHECKING:
    import pandas

INERT = True


def read_json(path: Path | str, kind: Any) -> Any:
    """The value of a JSON file, which is a `kind`."""
    value = store.read_json(path)
    _hold(path, value, kind)
    return value


def read_jsonl(path: Path | str, kind: Any, *, key: str | None = None) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file, at least one, each a `kind`. No two rows share their `key`."""
    rows = list(iterate_jsonl(path, kind, key=key))
    if not rows:
        raise DataError(f"{path}: holds no rows")
    return rows


def iterate_jsonl(
    path: Path | str, kind: Any, *, key: str | None = None
) -> Iterator[dict[str, Any]]:
    """`read_jsonl`, row by row; none of an empty file."""
    lines: dict[Hashable, int] = {}
    for number, row in enumerate(store.iterate_jsonl(path), start=1):
        where = f"{path}, line {number}"
        _hold(where, row, kind)
        if key is not None and lines.setdefault(row[key], number) != number:
            raise DataError(f"{where}: {key} {row[key]!r} is that of line {lines[row[key]]} too")
        yield row


def read_table(path: Path | str, columns: Sequence[str] | None = None) -> "pandas.DataFrame":
    """A table that a job of this workflow made, CSV, parquet or JSON lines; None: all `columns`.

    Its bytes are those that the job's record knows, so nothing in it needs a second look.
    """
    path = Path(path)
    _require_as_made(path)
    try:
        return formats.table(path, columns)
    except KeyError as error:
        raise DataError(f"{path}: it lacks columns: {error.args[0]}") from error


def _require_as_made(path: Path) -> None:
    """DataError unless a record beside the file has its SHA-256."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    places = [place for place in artifacts.record_places(path) if place.is_file()]
    if not places:
        raise _unknown(path, f"has no {artifacts.RECORD}.json beside it, as every job leaves one")
    scripts: dict[str, str] = {}
    for place in places:
        try:
            record = read_json(place, records.Provenance)
        except DataError as error:
            raise _unknown(path, f"has a damaged record ({error})") from error
        sha256 = artifacts.recorded(record, path)
        if sha256 is not None:
            scripts[sha256] = record["script"]
    if not scripts:
        raise _unknown(path, f"is not among the files that {places[0]} records")
    if store.sha256_file(path) not in scripts:
        made_by = ", ".join(scripts.values())
        raise _unknown(
            path, f"is not the file that {made_by} made: its bytes differ from its record"
        )


def _unknown(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}; delete it and run again; snakemake then makes it anew")


def _hold(where: Path | str, value: Any, kind: Any) -> None:
    problem = kinds.problem(value, kind)
    if problem is not None:
        raise DataError(f"{where}: {problem}")
