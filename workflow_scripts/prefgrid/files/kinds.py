"""Holds values to a type (see `records`), and says in words where they break it."""

import reprlib
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from prefgrid.files import records

INERT = True


def problem(value: Any, kind: Any) -> str | None:
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


def _words(mistake: Mapping[str, Any]) -> str:
    if mistake["type"] == "value_error":
        return str(mistake["ctx"]["error"])
    should = mistake["msg"].replace("Input should", "should")
    return f"{should}, found {reprlib.repr(mistake['input'])}"
