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


@dataclass(frozen=True)
class Column:
    """A table column: `text` makes the cell of a row, None where the value is missing.

    `sort` is the column of the frame that orders it; None: by the text.
    """

    label: str
    text: Callable[[dict[str, Any]], str | None]
    sort: str | None = None
    numeric: bool = True


def figures(files: Mapping[str, Path], modules: Sequence[str]) -> list[dict[str, str]]:
    """The figures of `modules` (dotted), in their order; `files`: a module's last name → its SVG.

    Embedded as images, so that their ids cannot clash with each other's.
    """
    found = []
    for name in modules:
        module, svg = importlib.import_module(name), files[name.rpartition(".")[2]]
        data = base64.b64encode(svg.read_bytes()).decode("ascii")
        source = f"data:image/svg+xml;base64,{data}"
        found.append({"title": module.TITLE, "caption": module.CAPTION, "source": source})
    return found


def table(
    title: str, caption: str, frame: pd.DataFrame, columns: Sequence[Column], file: str
) -> dict[str, Any]:
    """A sortable table; `file` names the CSV that holds all of it."""
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
    return {"title": title, "caption": caption, "heads": heads, "rows": rows, "file": file}


def number(value: float, digits: int = 2, signed: bool = False) -> str | None:
    """Fixed digits with a real minus sign; None if missing."""
    if not_a_number(value):
        return None
    # Adding 0.0 turns a rounded −0.0 into 0.0.
    return f"{round(value, digits) + 0.0:{'+' if signed else ''}.{digits}f}".replace("-", "−")


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
