"""Overrides on top of defaults."""

from typing import Any


def merged(defaults: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """`defaults` with `overrides` on top, dictionaries merged recursively."""
    result = dict(defaults)
    for key, value in overrides.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result
