"""What a module of comparisons reads and takes, from its source without importing it."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from prefgrid.config import literals, modules
from prefgrid.config.suggestions import allowed

SOURCES = ("dataset", "source", "comparisons", "nothing")

_KIND = modules.Kind("module of comparisons", "comparisons", ("OPTIONS", "READS"), ("read",))
module_name, known = _KIND.module_name, _KIND.known


@dataclass(frozen=True)
class Constants:
    """Its literals: options' defaults and bounds by name, what it reads, of a source of its own the columns
    that every file must have, and those that are kept where they are there; whether its labels are certain,
    whether anything trains, and of options that are read at one value of another alone that one and its
    value."""

    defaults: dict[str, Any]
    bounds: dict[str, Any]
    reads: str
    fields: tuple[str, ...]
    optional_fields: tuple[str, ...]
    certain: bool
    trains: bool
    read_with: dict[str, tuple[str, Any]]


@cache
def constants(comparisons: str) -> Constants:
    """The literals, not to be changed; read only once.

    ValueError if there is no such module, or its literals are not usable.
    """
    reads = _KIND.read(comparisons)["READS"]
    module, called = module_name(comparisons), _KIND.called(comparisons)
    if reads not in SOURCES:
        raise ValueError(f"{called}: READS {reads!r}; {allowed(str(reads), SOURCES)}")
    fields = optional = ()
    if reads == "source":
        fields = literals.read(module, ["FIELDS"], called)["FIELDS"]
        optional = literals.optional(module, "OPTIONAL_FIELDS", (), called)
        for name, columns in (("FIELDS", fields), ("OPTIONAL_FIELDS", optional)):
            if not isinstance(columns, tuple) or not all(isinstance(one, str) for one in columns):
                raise ValueError(f"{called}: {name} must be a tuple of columns")
    certain = literals.optional(module, "CERTAIN", False, called)
    if not isinstance(certain, bool):
        raise ValueError(f"{called}: CERTAIN {certain!r}; allowed: True, False")
    read_with = literals.optional(module, "READ_WITH", {}, called)
    trains = bool(literals.optional(module, "TRAINS", True, called))
    options = _KIND.options(comparisons)
    return Constants(*options, reads, fields, optional, certain, trains, read_with)


def check_options(comparisons: str, options: dict[str, Any]) -> None:
    """ValueError naming every option that does not exist or whose value is out of its bound."""
    found = constants(comparisons)
    modules.check_options(f"comparisons {comparisons!r}", options, found.bounds)
    for option, (other, value) in found.read_with.items():
        set_to = (found.defaults | options)[other]
        if option in options and set_to != value:
            raise ValueError(
                f"comparisons {comparisons!r}: option {option} is set, but with {other} = {set_to!r} it is "
                f"not read; allowed: without it, or {other} = {value!r}"
            )
