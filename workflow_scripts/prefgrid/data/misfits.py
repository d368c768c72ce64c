"""What is said of rows that are not in their dataset's schema, and when they are too many."""

import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefgrid.data import lines
from prefgrid.files import store

INERT = True

SHOWN = 5
# Characters of a text around the one that is wrong.
AROUND = 12


def named(where: str, field: str, wanted: str, value: Any) -> str:
    """One line about a row that is left out, since `value` in its `field` is not what is `wanted`:
    "text" (not blank), a "list", a "number" or a "string"."""
    half = lines.half_character(value) if isinstance(value, str) else None
    if half is not None:
        part = value[max(0, half - AROUND) : half + AROUND]
        must = f"whole characters in UTF-8, found a broken one (number {half + 1}) in {part!a}"
    elif wanted == "text":
        must = f"a non-empty string, found {reprlib.repr(value)}"
    elif wanted in ("list", "number"):
        must = f"a {wanted}, found {type(value).__name__}"
    else:
        must = f"a string, found {type(value).__name__}"
    verb = "be" if half is None else "hold"
    return f"{where}: field {field!r} must {verb} {must}"


def check_share(path: Path | str, usable: int, skipped: Sequence[str], allowed: float) -> None:
    """DataError for a file without rows, or with a larger share of bad ones than `allowed`.

    skipped: a line each; the first few are logged.
    """
    total = usable + len(skipped)
    if total == 0:
        raise store.DataError(f"{path}: holds no rows")
    if len(skipped) > allowed * total:
        raise store.DataError(
            f"{len(skipped)} of {total} rows do not fit; allowed share (data.bad_row_share): "
            f"{allowed}. First: {skipped[0]}"
        )
    for line in skipped[:SHOWN]:
        store.log(f"skipped: {line}")
