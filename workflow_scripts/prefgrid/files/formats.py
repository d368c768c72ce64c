"""What values look like in files, and what a file's bytes say: JSON, JSON lines, CSV, parquet.

Apart from `store` and `reading`, which carry these bytes and refuse others: only this can change a
result.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


def canonical_json(value: Any) -> str:
    """The one text of a JSON value: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def indented_json(value: Any) -> str:
    """JSON for a file of its own, sorted keys; ValueError for NaN and infinities."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text + "\n"


def json_line(row: dict[str, Any]) -> str:
    """A line of a JSON-lines file, keys in the row's own order."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def json_value(text: bytes) -> Any:
    """The value of a JSON text; ValueError or RecursionError for any other."""
    return json.loads(text.decode("utf-8"))


def save_parquet(path: Path, frame: "pandas.DataFrame") -> None:
    """With page checksums, for other readers than ours."""
    frame.to_parquet(path, index=False, write_page_checksum=True)


def save_csv(path: Path, frame: "pandas.DataFrame") -> None:
    """Missing values stay empty."""
    frame.to_csv(path, index=False)


def table(path: Path, columns: Sequence[str] | None) -> "pandas.DataFrame":
    """The table of a CSV, parquet or JSON-lines file; KeyError where it lacks one of `columns`."""
    import pandas

    if path.suffix == ".csv":
        # pandas' own parser is off by a bit in some numbers, which then match no other table's.
        frame = pandas.read_csv(path, float_precision="round_trip")
    elif path.suffix == ".jsonl":
        frame = pandas.DataFrame([json_value(line) for line in path.read_bytes().splitlines()])
    else:
        from pyarrow import parquet

        # Of the columns asked for, it leaves out those that are missing.
        frame = parquet.ParquetFile(path).read(columns=columns).to_pandas()
    return frame if columns is None else frame[list(columns)]
