"""JSON from outside, lines or an array: a row that cannot be read is told and the others are read.

Bytes that are not UTF-8 stay in the strings that hold them, as halves of characters (Python's
`surrogateescape`), as JSON's own escapes can spell them too. So both are the same mistake, of one field,
and none where nobody reads that field.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from prefgrid.files.store import DataError


@dataclass(frozen=True)
class Line:
    """One line that is not blank, or one entry of an array.

    where: names file and line. text: its bytes, without the line's end, which as a line are no
    object if it is an entry. row: its JSON object; None where it is none, and `problem` says why.
    """

    where: str
    text: bytes
    row: dict[str, Any] | None
    problem: str


def read(path: Path | str) -> Iterator[Line]:
    """Every line of a file; DataError if there is no file, or if it ends inside a line."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file")
    with open(path, "rb") as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                line = _parsed(f"{path}, line {number}", text)
                # Other programs leave out the last newline; then the line must be whole by itself.
                if line.row is None and not text.endswith(b"\n"):
                    raise DataError(
                        f"{line.where}: the file ends inside a line; it was cut or half copied. "
                        f"Make {path} again"
                    )
                yield line


def read_any(path: Path | str) -> Iterator[Line]:
    """Every line of a file, or every entry if the whole file is one array; DataError as `read`'s."""
    with open(path, "rb") as file:
        start = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start != b"[":
        return read(path)
    try:
        array = json.loads(Path(path).read_bytes().decode("utf-8-sig", "surrogateescape"))
    except (ValueError, RecursionError):
        return read(path)  # whose words are about the line
    return _entries(path, array)


def _entries(path: Path | str, array: list[Any]) -> Iterator[Line]:
    for number, value in enumerate(array, start=1):
        where, text = f"{path}, entry {number}", json.dumps([value]).encode()
        row = value if isinstance(value, dict) else None
        yield Line(where, text, row, "" if row is not None else _no_object(where, value))


def _no_object(where: str, value: Any) -> str:
    return f"{where}: expected a JSON object, found {type(value).__name__}"


def _parsed(where: str, text: bytes) -> Line:
    text = text.rstrip(b"\r\n")
    try:
        # Some programs put a byte-order mark in front.
        value = json.loads(text.decode("utf-8-sig", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        return Line(where, text, None, f"{where}: not valid JSON ({error})")
    if not isinstance(value, dict):
        return Line(where, text, None, _no_object(where, value))
    return Line(where, text, value, "")


def is_text(value: Any) -> bool:
    """Whether it is a string of whole characters."""
    return isinstance(value, str) and half_character(value) is None


def half_character(text: str) -> int | None:
    """Index of the first half of a character, which may be a byte that was not UTF-8; None if all
    characters are whole."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def written(row: dict[str, Any]) -> bytes:
    """The line of a row, `as_json` first; halves of characters become JSON's escapes of them.

    ValueError where two halves would then be read as one character.
    """
    row = as_json(row)
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    if half_character(text) is not None:
        text = json.dumps(row, allow_nan=False)
        if json.loads(text) != row:
            raise ValueError("halves of characters stand side by side")
    return text.encode() + b"\n"


def as_json(value: Any) -> Any:
    """`value` with null for what JSON lacks: NaN and infinity, which the hub has for missing scores,
    and dates, bytes, images and the like. Decimals are numbers."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value if value is None or isinstance(value, str | int) else None
