"""What is wrong with the values of a config, as lines of key and message."""

import reprlib
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from prefgrid.config.fields import Problem, Section
from prefgrid.config.suggestions import allowed
from prefgrid.plan.usable import models_in

LARGEST_NUMBER = 1e300


def of_numbers(value: Any, *place: str) -> Iterator[Problem]:
    """What YAML can spell and no option can be: .nan, .inf, numbers of hundreds of digits."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from of_numbers(item, *place, str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from of_numbers(item, *place, str(index))
    elif isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
        should = "a finite number" if isinstance(value, float) else f"at most {LARGEST_NUMBER:g}"
        yield ".".join(place), f"{reprlib.repr(value)} should be {should}"


def of_values(model: type[Section], raw: Any) -> list[Problem]:
    """What `model` refuses in `raw`."""
    try:
        model.model_validate(raw)
    except ValidationError as error:
        return [(".".join(map(str, item["loc"])), _message(item, model)) for item in error.errors()]
    return []


def _message(item: Any, model: type[Section]) -> str:
    value, loc = item["input"], item["loc"]
    match item["type"]:
        case "extra_forbidden":
            return f"unknown key; {allowed(str(loc[-1]), _keys_at(model, loc[:-1]))}"
        case "missing":
            return "missing; it has no default"
        case "model_type":
            return f"{value!r} should be {{{', '.join(_keys_at(model, loc))}}}"
        case "value_error":
            return str(item["ctx"]["error"])
        case "float_type" if isinstance(value, str):
            return f"{value!r} is text, not a number; YAML takes 1e-5 for text, write 1.0e-5"
        case _:
            return f"{value!r} {item['msg'].replace('Input should', 'should')}"


def _keys_at(model: type[Section], parents: tuple[int | str, ...]) -> list[str]:
    for part in parents:
        field = model.model_fields.get(str(part))
        candidates = [] if field is None else models_in(field.annotation)
        if field is not None and not candidates:
            return []
        if candidates:
            model = candidates[0]
    return list(model.model_fields)
