"""From Snakemake's config dictionary to a checked `Config`, or one error that lists every mistake."""

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from prefgrid.config import checks
from prefgrid.config.schema import Config, Training, merged


class ConfigError(ValueError):
    """The configuration is not usable; the message lists each key, its value and what is allowed."""


def load(raw: dict[str, Any]) -> Config:
    """Validate everything at once; raise ConfigError naming every wrong key."""
    config, found = None, []
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        found += _readable(error, Config)
    found += checks.problems(raw)
    found += _training_problems(raw)
    if found or config is None:
        lines = "\n".join(f"  {key}: {message}" for key, message in found)
        count = f"{len(found)} mistake{'s' if len(found) > 1 else ''}"
        raise ConfigError(f"{count} in the configuration\n{lines}")
    return config


def _training_problems(raw: dict[str, Any]) -> Iterable[checks.Problem]:
    """Check each method's training overrides where they are written, on top of the defaults."""
    try:
        Training.model_validate(raw["training"])
        places = {f"methods.{label}": method for label, method in raw["methods"].items()}
        if raw["reference"]["sft"]:
            places["reference.sft"] = raw["reference"]["sft"]
        overrides = {key: dict(value["training"]) for key, value in places.items()}
    except (ValidationError, KeyError, TypeError, ValueError, AttributeError):
        return  # the schema has already said what is wrong there
    for key, values in overrides.items():
        try:
            Training.model_validate(merged(raw["training"], values))
        except ValidationError as error:
            yield from _readable(error, Training, prefix=f"{key}.training.")


def _readable(
    error: ValidationError, model: type[BaseModel], prefix: str = ""
) -> list[checks.Problem]:
    found = []
    for item in error.errors():
        key = prefix + ".".join(str(part) for part in item["loc"])
        match item["type"]:
            case "extra_forbidden":
                message = "unknown key" + _suggestion(str(item["loc"][-1]), item["loc"][:-1], model)
            case "missing":
                message = "missing; it has no default"
            case "value_error":
                message = str(item["ctx"]["error"])
            case _:
                allowed = item["msg"].replace("Input should", "should")
                message = f"{item['input']!r} {allowed}"
        found.append((key, message))
    return found


def _suggestion(key: str, parents: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """The keys allowed where an unknown one stood, the closest first."""
    names = _keys_at(model, parents)
    close = difflib.get_close_matches(key, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint} Allowed: {', '.join(names)}" if names else hint


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
