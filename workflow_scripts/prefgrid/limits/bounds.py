"""What an option of an objective may be, written as a literal beside its default.

A bound is a list of the allowed values, or one of these texts:

    "> 0"    ">= 0"    "[0, 1)"    "integer > 0"

each also with " or null" at its end; the numbers are free.
"""

import math
import re
from typing import Any

_NUMBER = r"-?\d+(?:\.\d+)?"
_TEXT = re.compile(
    rf"(?P<integer>integer )?"
    rf"(?:(?P<sign>>=|>) (?P<least>{_NUMBER})|\[(?P<low>{_NUMBER}), (?P<high>{_NUMBER})\))"
    rf"(?P<null> or null)?"
)


def fits(value: Any, bound: str | list[Any]) -> bool:
    """Whether `value` is within `bound`; ValueError if the bound itself is not of the grammar."""
    if isinstance(bound, list):
        # 0 equals False, but a number is no switch.
        return any(value == one and type(value) is type(one) for one in bound)
    found = _TEXT.fullmatch(bound)
    if found is None:
        raise ValueError(f"{bound!r} is no bound; allowed: {__doc__}")
    if value is None:
        return found["null"] is not None
    number = isinstance(value, int) if found["integer"] else isinstance(value, int | float)
    if not number or isinstance(value, bool) or not math.isfinite(value):
        return False
    if found["low"] is not None:
        return float(found["low"]) <= value < float(found["high"])
    least = float(found["least"])
    return value > least or (found["sign"] == ">=" and value == least)


def words(bound: str | list[Any]) -> str:
    """The bound as the end of a message: "allowed: …"."""
    if isinstance(bound, list):
        return ", ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in bound)
    if bound.startswith("integer"):
        return f"an {bound}"
    return f"a number {'in ' if bound.startswith('[') else ''}{bound}"


def problems(options: dict[str, Any], bounds: dict[str, Any]) -> list[str]:
    """One message for each option whose value is out of its bound."""
    return [
        f"{name} = {value!r}; allowed: {words(bounds[name])}"
        for name, value in options.items()
        if not fits(value, bounds[name])
    ]
