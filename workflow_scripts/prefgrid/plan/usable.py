"""What of a config with mistakes the checks between keys can still read."""

from typing import Any, get_args, get_origin

from pydantic import ValidationError, create_model

from prefgrid.config.fields import Section


def usable(model: type[Section], raw: Any) -> Section:
    """`raw` as an instance of `model` without the values that are wrong by themselves.

    Asking for one of those raises `Unusable`. Of values that are wrong only together those are left out
    that the section blames, which are all unless it says so.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        # A mistake without a place is one of several values together.
        places = [item["loc"] for item in error.errors()]
    wrong = {place[0] for place in places if place}
    if () in places:
        wrong |= set(model.blamed or model.model_fields)
    found, values = model.model_construct(), {}
    if isinstance(raw, dict):
        for name in model.model_fields:
            values |= _inside(model, name, raw) if name in wrong else _value(model, name, raw)
    found.__dict__.clear()
    found.__dict__.update(values)
    return found


def _value(model: type[Section], name: str, raw: dict[str, Any]) -> dict[str, Any]:
    """{name: value} of a key that is as it should be."""
    field = model.model_fields[name]
    alone = create_model(name, __base__=Section, **{name: (field.annotation, field)})
    return dict(alone.model_validate({name: raw[name]} if name in raw else {}))


def _inside(model: type[Section], name: str, raw: dict[str, Any]) -> dict[str, Any]:
    """{name: what of it is usable} of a section, or of several by name; {} of a value."""
    annotation, value = model.model_fields[name].annotation, raw.get(name)
    inner = models_in(annotation)
    if not inner or not isinstance(value, dict):
        return {}
    if get_origin(annotation) is dict:
        return {name: {key: usable(inner[0], entry) for key, entry in value.items()}}
    return {name: usable(inner[0], value)}


def models_in(annotation: Any) -> list[type[Section]]:
    """The sections that a type has inside."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]
