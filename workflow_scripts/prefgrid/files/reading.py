"""Readers that hold a file to its type (see `records`), or say where it breaks it.

Every one of them gives values of that type or raises DataError naming the file, and within it the
line or row and the field; nothing else comes out of a file that was damaged.
"""

import reprlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import FailFast, TypeAdapter, ValidationError

from prefgrid.files import records, store
from prefgrid.files.store import DataError

if TYPE_CHECKING:
    import pandas


def read_json(path: Path | str, kind: Any) -> Any:
    """The value of a JSON file, which is a `kind`."""
    value = store.read_json(path)
    _refuse(path, _problem(value, kind))
    return value


def read_jsonl(path: Path | str, kind: Any, *, key: str | None = None) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file, at least one, each a `kind` (None: any object).

    No two rows share their `key`.
    """
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
        if kind is not None:
            _refuse(where, _problem(row, kind))
        if key is not None and lines.setdefault(row[key], number) != number:
            raise DataError(f"{where}: {key} {row[key]!r} is that of line {lines[row[key]]} too")
        yield row


def read_parquet(
    path: Path | str,
    kind: Any = None,
    *,
    columns: Sequence[str] | None = None,
    where: tuple[str, str, Any] | None = None,
    key: Sequence[str] = (),
) -> "pandas.DataFrame":
    """The table of a parquet file: rows, each a `kind`; None: any.

    A table of a kind has rows, unless the kind itself says that it may have none. columns: which of
    them are read and checked, None for all of the file's. where: of which rows, as (column,
    comparison, value), None for all. No two rows share all columns of `key`.
    """
    import pyarrow
    from pyarrow import parquet

    _require(path)
    try:
        # Of the columns asked for, it leaves out those that are missing.
        frame = parquet.read_table(
            path,
            columns=columns,
            filters=None if where is None else [where],
            page_checksum_verification=True,
        ).to_pandas()
    # No fault of the file.
    except (MemoryError, PermissionError):
        raise
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: not a sound parquet file ({_first_line(error)})") from error
    for name in columns or ():
        _refuse(path, _missing(frame, name))
    if where is not None and frame.empty:
        raise DataError(f"{path}: holds no rows with {' '.join(map(str, where))}")
    return _checked(path, frame, kind, columns, key)


def read_csv(path: Path | str, kind: Any = None, *, key: Sequence[str] = ()) -> "pandas.DataFrame":
    """`read_parquet` of a CSV file; all its columns."""
    import pandas

    _require(path)
    content = Path(path).read_bytes()
    # A number that was cut is a number, too.
    if content and not content.endswith(b"\n"):
        raise store.cut_file(path, path)
    try:
        # pandas' own parser is off by a bit in some numbers, which then match no other table's.
        frame = pandas.read_csv(BytesIO(content), float_precision="round_trip")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a sound CSV file ({_first_line(error)})") from error
    return _checked(path, frame, kind, None, key)


def read_table(path: Path | str, columns: Sequence[str] | None = None) -> "pandas.DataFrame":
    """A table that a job of this workflow made, CSV or parquet; all its `columns`, or some."""
    if Path(path).suffix == ".csv":
        frame = read_csv(path)
        return frame if columns is None else frame[list(columns)]
    return read_parquet(path, columns=columns)


def _require(path: Path | str) -> None:
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file")


def _checked(
    path: Path | str,
    frame: "pandas.DataFrame",
    kind: Any,
    columns: Sequence[str] | None,
    key: Sequence[str],
) -> "pandas.DataFrame":
    for name in getattr(kind, "__annotations__", {}):
        if columns is None or name in columns:
            _refuse(path, _missing(frame, name) or _column_problem(frame, name, kind))
    if frame.empty and kind is not None and not hasattr(kind, "__may_be_empty__"):
        raise DataError(f"{path}: holds no rows")
    if key and (again := frame.duplicated(list(key))).any():
        row = int(again.to_numpy().argmax())
        values = frame[list(key)].iloc[row].to_dict()
        raise DataError(f"{path}: row {row + 1} repeats an earlier one's {values}")
    return frame


def _missing(frame: "pandas.DataFrame", name: str) -> str | None:
    if name in frame:
        return None
    return f"column {name!r} is missing; found {sorted(map(str, frame))}"


def _column_problem(frame: "pandas.DataFrame", name: str, kind: Any) -> str | None:
    """The first row's mistake in a column whose values should be those of a `kind`, or None."""
    # Lists in a cell come out of parquet as arrays.
    values = [getattr(value, "tolist", lambda v=value: v)() for value in frame[name].tolist()]
    try:
        _column(kind, name).validate_python(values)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        return f"row {mistake['loc'][0] + 1}, column {name!r} {_words(mistake)}"
    return None


def _problem(value: Any, kind: Any) -> str | None:
    """The first thing that is wrong with a JSON value which should be a `kind`, or None."""
    try:
        _adapter(kind).validate_python(value)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        place = ".".join(map(str, mistake["loc"]))
        if mistake["type"] == "missing":
            return f"field {place!r} is missing; found {sorted(mistake['input'])}"
        return f"field {place!r} {_words(mistake)}" if place else _words(mistake)
    return None


@cache
def _adapter(kind: Any) -> TypeAdapter:
    # A typed dictionary carries its configuration itself, and may not be given a second one.
    own = hasattr(get_args(kind)[0] if get_origin(kind) is Annotated else kind, "__total__")
    return TypeAdapter(kind) if own else TypeAdapter(kind, config=records.STRICT)


@cache
def _column(kind: Any, name: str) -> TypeAdapter:
    # Making one takes longer than checking a small table, of which a grid has thousands.
    field = kind.__annotations__[name]
    return TypeAdapter(Annotated[list[field], FailFast()], config=records.STRICT)


def _words(mistake: Mapping[str, Any]) -> str:
    if mistake["type"] == "value_error":
        return str(mistake["ctx"]["error"])
    should = mistake["msg"].replace("Input should", "should")
    return f"{should}, found {reprlib.repr(mistake['input'])}"


def _refuse(where: Path | str, problem: str | None) -> None:
    if problem is not None:
        raise DataError(f"{where}: {problem}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
