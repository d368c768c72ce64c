"""Building blocks of a report section, as plain dictionaries that the template shows."""

import base64
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from prefgrid.files.records import Quality

MISSING = "missing"
# So many digits more than usual before a number is written as a power of ten.
MORE_DIGITS = 3


@dataclass(frozen=True)
class Column:
    """A table column: `text` makes the cell of a row, None where the value is missing.

    `sort` is the column of the frame that orders it; None: by the text.
    """

    label: str
    text: Callable[[dict[str, Any]], str | None]
    sort: str | None = None
    numeric: bool = True


def figures(files: Mapping[str, Path], modules: Sequence[str]) -> list[dict[str, Any]]:
    """The figures of `modules` (dotted), in their order; `files`: a module's last name → its SVG, in a
    study's folder `figures`, with its PNG beside it.

    Embedded as images, so that their ids cannot clash with each other's.
    """
    found = []
    for name in modules:
        module, svg = importlib.import_module(name), files[name.rpartition(".")[2]]
        data = base64.b64encode(svg.read_bytes()).decode("ascii")
        source = f"data:image/svg+xml;base64,{data}"
        linked = [Path(*file.parts[-3:]).as_posix() for file in (svg, svg.with_suffix(".png"))]
        text = {"title": module.TITLE, "caption": module.CAPTION}
        found.append(text | {"source": source, "files": linked})
    return found


def table(
    title: str, caption: str, frame: pd.DataFrame, columns: Sequence[Column], *files: str
) -> dict[str, Any]:
    """A sortable table; `files`: the CSVs that hold all of it, as the page, in `results/`, links them."""
    rows = []
    for record in frame.to_dict("records"):
        cells = []
        for column in columns:
            text = column.text(record)
            value = record[column.sort] if column.sort else text
            # A missing value has no sort key: the page puts it last in either direction.
            key = "" if text is None or not_a_number(value) else value
            cells.append(
                {"text": MISSING if text is None else text, "sort": key, "missing": text is None}
            )
        rows.append(cells)
    heads = [{"label": column.label, "numeric": column.numeric} for column in columns]
    return {"title": title, "caption": caption, "heads": heads, "rows": rows, "files": list(files)}


def number(value: float, digits: int = 2, signed: bool = False) -> str | None:
    """Fixed digits with a real minus sign; None if missing.

    Only 0 itself reads as 0, without a sign: a smaller number gets as many digits more as its first
    one needs, so that its side of 0 is seen.
    """
    if not_a_number(value):
        return None
    value = float(value)
    sign = "+" if signed and value else ""
    more = range(digits, digits + MORE_DIGITS + 1)
    shown = next((count for count in more if round(value, count)), digits)
    form = ".0e" if value and not round(value, shown) else f".{shown}f"
    # Adding 0.0 turns −0.0 into 0.0.
    return f"{value + 0.0:{sign}{form}}".replace("-", "−")


def interval(low: float, high: float, digits: int = 2, signed: bool = False) -> str | None:
    """[low, high], or None if missing."""
    ends = number(low, digits, signed), number(high, digits, signed)
    return None if None in ends else f"[{ends[0]}, {ends[1]}]"


def not_a_number(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def quality_groups(quality: Quality) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of measurements → (group, rows of label and value) for the page, in their own order."""
    return [
        (_words(name), [(_words(key), _value(value)) for key, value in values.items()])
        for name, values in quality.items()
    ]


def _words(key: str) -> str:
    text = key.replace("_nats", " (nats)").replace("_", " ")
    return text[:1].upper() + text[1:]


def _value(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}".replace("-", "−")
