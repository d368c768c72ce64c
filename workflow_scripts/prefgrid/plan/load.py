"""From Snakemake's config dictionary to a checked `Config`, or one error that lists every mistake."""

import reprlib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from prefgrid.config.fields import Problem
from prefgrid.config.merging import merged
from prefgrid.config.suggestions import allowed
from prefgrid.plan import checks
from prefgrid.plan.schema import Config, Training

LARGEST_NUMBER = 1e300


class ConfigError(ValueError):
    """The configuration is not usable; the message lists each key, its value and what is allowed."""


def load(raw: dict[str, Any]) -> Config:
    """Validate everything at once; raise ConfigError naming every wrong key."""
    # The checks compute with the numbers they find.
    found = list(_unusable_numbers(raw)) or [
        *_mistakes(Config, raw),
        *checks.problems(raw),
        *_training_problems(raw),
    ]
    if found:
        lines = "\n".join(f"  {key}: {message}" for key, message in found)
        count = f"{len(found)} mistake{'s' if len(found) > 1 else ''}"
        raise ConfigError(f"{count} in the configuration\n{lines}")
    return Config.model_validate(raw)


def _unusable_numbers(value: Any, *place: str) -> Iterable[Problem]:
    """What YAML can spell and no option can be: .nan, .inf, numbers of hundreds of digits."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _unusable_numbers(item, *place, str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unusable_numbers(item, *place, str(index))
    elif isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
        should = "a finite number" if isinstance(value, float) else f"at most {LARGEST_NUMBER:g}"
        yield ".".join(place), f"{reprlib.repr(value)} should be {should}"


def _training_problems(raw: dict[str, Any]) -> Iterable[Problem]:
    """Check each method's training overrides where they are written, on top of the defaults."""
    defaults = raw.get("training")
    if not isinstance(defaults, dict):
        return  # the schema has already said so, here and wherever else a value has the wrong type
    reported = set(_mistakes(Training, defaults))
    methods = raw.get("methods")
    places = {f"methods.{k}": v for k, v in methods.items()} if isinstance(methods, dict) else {}
    reference = raw.get("reference")
    places["reference.sft"] = reference.get("sft") if isinstance(reference, dict) else None
    for place, value in places.items():
        overrides = value.get("training") if isinstance(value, dict) else None
        if not isinstance(overrides, dict):
            continue
        for key, message in _mistakes(Training, merged(defaults, overrides)):
            if (key, message) not in reported:
                yield ".".join(filter(None, (place, "training", key))), message


def _mistakes(model: type[BaseModel], raw: dict[str, Any]) -> list[Problem]:
    try:
        model.model_validate(raw)
    except ValidationError as error:
        return [(".".join(map(str, item["loc"])), _message(item, model)) for item in error.errors()]
    return []


def _message(item: Any, model: type[BaseModel]) -> str:
    value, loc = item["input"], item["loc"]
    match item["type"]:
        case "extra_forbidden":
            return f"unknown key; {allowed(str(loc[-1]), _keys_at(model, loc[:-1]))}"
        case "missing":
            return "missing; it has no default"
        case "value_error":
            return str(item["ctx"]["error"])
        case "float_type" if isinstance(value, str):
            return f"{value!r} is text, not a number; YAML takes 1e-5 for text, write 1.0e-5"
        case _:
            return f"{value!r} {item['msg'].replace('Input should', 'should')}"


def _keys_at(model: type[BaseModel], parents: tuple[int | str, ...]) -> list[str]:
    for part in parents:
        field = model.model_fields.get(str(part))
        candidates = [] if field is None else _models_in(field.annotation)
        if field is not None and not candidates:
            return []
        if candidates:
            model = candidates[0]
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    inner = getattr(annotation, "__args__", ())
    return [model for part in inner for model in _models_in(part)]
