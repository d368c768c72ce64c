"""From Snakemake's config dictionary to a checked `Config`, or one error that lists every mistake."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prefgrid.config import methods, preference_models
from prefgrid.config.fields import Problem
from prefgrid.config.merging import merged
from prefgrid.config.reference import Sft
from prefgrid.config.training import Training
from prefgrid.plan import checks, local_paths, mistakes, schema
from prefgrid.plan.schema import Config
from prefgrid.plan.usable import usable
from prefgrid.studies import registry

# Sections whose entries override `training`, and what they are where nothing is written.
TRAINED = {"methods": methods.ours, "preference_models": preference_models.ours}


class ConfigError(ValueError):
    """The configuration is not usable; the message lists each key, its value and what is allowed."""


def load(raw: dict[str, Any], beside: Mapping[str, Path] | None = None) -> Config:
    """Validate everything at once; raise ConfigError naming every wrong key.

    beside: where local sources are looked for before the run's folder (`local_paths.folders`). Each section is checked by itself, then keys with each other wherever their values are usable.
    """
    _refuse(mistakes.of_numbers(raw))  # the checks compute with the numbers they find
    raw, nowhere = local_paths.resolved(raw, beside or {})
    named = raw.get("studies", registry.BUILT_IN)
    packages = _named_studies(named)
    model = schema.of(packages)
    # The section of a study that is refused belongs to nobody; one message is enough.
    asked = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    refused = {name.rpartition(".")[2] for name in asked} - packages.keys()
    raw = {
        key: value for key, value in raw.items() if key not in refused or key in model.model_fields
    }
    # Their overrides of `training` are checked as if they were written.
    for section, ours in TRAINED.items():
        if section not in raw:
            raw = {**raw, section: {name: one.model_dump() for name, one in ours().items()}}
    overrides = _wrong_overrides(raw)
    readable = raw
    for section, name in overrides:
        readable = merged(readable, {section: {name: {"training": None}}})
    if mistakes.of_values(Training, raw.get("training", {})):
        readable = {**readable, "training": None}  # what every method's training builds on
    config = usable(model, readable)
    found = mistakes.of_values(model, raw)
    found += [
        *nowhere,
        *checks.problems(config, packages),
        *(one for wrong in overrides.values() for one in wrong),
    ]
    _refuse(dict.fromkeys(found))
    return config


def _refuse(found: Iterable[Problem]) -> None:
    lines = [f"  {key}: {message}" for key, message in found]
    if lines:
        count = f"{len(lines)} mistake{'s' if len(lines) > 1 else ''}"
        raise ConfigError("\n".join([f"{count} in the configuration", *lines]))


def _named_studies(names: Any) -> dict[str, str]:
    """Study → package, of those in `studies` that can be had; the schema refuses the others."""
    found: dict[str, str] = {}
    for name in names if isinstance(names, list | tuple) else ():
        try:
            own = registry.packages([name]) if isinstance(name, str) else {}
        except ValueError:
            continue
        found |= {study: package for study, package in own.items() if not schema.is_taken(study)}
    return found


def _wrong_overrides(raw: dict[str, Any]) -> dict[tuple[str, str], list[Problem]]:
    """What is wrong with overrides of `training` on top of the defaults, where they are written."""
    defaults = raw.get("training", {})
    if not isinstance(defaults, dict):
        return {}  # the schema says so, here and wherever else a value has the wrong type
    reported = mistakes.of_values(Training, defaults)
    found = {}
    for section, name, overrides in _overrides(raw):
        if isinstance(overrides, dict):
            wrong = mistakes.of_values(Training, merged(defaults, overrides))
            place = f"{section}.{name}.training"
            new = [
                (f"{place}.{key}".strip("."), text)
                for key, text in wrong
                if (key, text) not in reported
            ]
            if new:
                found[section, name] = new
    return found


def _overrides(raw: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(section, name, overrides) of whatever is trained, the reference too, also where they are defaults."""
    for section in TRAINED:
        if isinstance(raw[section], dict):
            for label, one in raw[section].items():
                yield section, label, one.get("training") if isinstance(one, dict) else None
    reference = raw.get("reference", {})
    sft = reference.get("sft", {}) if isinstance(reference, dict) else None
    if isinstance(sft, dict):
        yield "reference", "sft", sft.get("training", Sft().training)
