"""Rows of comparisons from outside: what is not of its schema is named, what cannot be compared counted."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prefgrid.comparisons.base import Compared, Comparison
from prefgrid.data import lines, misfits


class Misfit(Exception):
    """A field that is not what its schema says: the arguments of `misfits.named` behind the place."""


class Dropped(Exception):
    """A row that is as it should be and holds nothing to compare; the reason, in words."""


def read(
    path: Path | str, parse: Callable[[Mapping[str, Any]], Compared], bad_row_share: float
) -> tuple[list[Compared], dict[str, Any]]:
    """(what `parse` makes of each row, {dropped, bad_rows} of `Sets`); DataError for a file without
    rows, or with a larger share of bad ones than `bad_row_share`."""
    found, bad_rows = [], []
    dropped: Counter[str] = Counter()
    for line in lines.read_any(path):
        if line.row is None:
            bad_rows.append(line.problem)
            continue
        try:
            found.append(parse(line.row))
        except Misfit as misfit:
            bad_rows.append(misfits.named(line.where, *misfit.args))
        except Dropped as reason:
            dropped[str(reason)] += 1
    misfits.check_share(path, len(found) + dropped.total(), bad_rows, bad_row_share)
    return found, {"dropped": dict(dropped), "bad_rows": bad_rows}


def text(row: Mapping[str, Any], field: str) -> str:
    """A string that may be empty, of whole characters."""
    if not lines.is_text(row.get(field)):
        raise Misfit(field, "string", row.get(field))
    return row[field]


def words(row: Mapping[str, Any], field: str) -> str:
    """A string that says something."""
    if not lines.is_text(row.get(field)) or not row[field].strip():
        raise Misfit(field, "text", row.get(field))
    return row[field]


def texts(row: Mapping[str, Any], field: str) -> list[str]:
    """A list of strings, at least one."""
    values = row.get(field)
    if not isinstance(values, list) or not values:
        raise Misfit(field, "list", values)
    for index, value in enumerate(values):
        if not lines.is_text(value):
            raise Misfit(f"{field}[{index}]", "string", value)
    return values


def pair(prompt: str, chosen: str, rejected: str, section: str = "", **said: Any) -> Compared:
    """The one comparison of a plain pair; Dropped if both are the same text."""
    if chosen == rejected:
        raise Dropped("equal responses")
    return Compared(prompt, (chosen, rejected), (Comparison(0, 1, **said),), section)
