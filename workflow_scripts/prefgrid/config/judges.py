"""Which options a judge takes, read from its source without importing it."""

from functools import cache
from typing import Any

from prefgrid.config import literals, modules

_KIND = modules.Kind("judge", "judges", ("OPTIONS",), ("load",))
module_name, known, source = _KIND.module_name, _KIND.known, _KIND.source


@cache
def constants(judge: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(defaults, bounds) of its options by name, not to be changed; read only once.

    ValueError if there is no such judge, or an option is not (default, bound).
    """
    return _KIND.options(judge)


def check_options(judge: str, options: dict[str, Any]) -> None:
    """ValueError naming every option that does not exist or whose value is out of its bound."""
    modules.check_options(f"judge {judge!r}", options, constants(judge)[1])


def asks_a_model(judge: str) -> bool:
    """Whether the judge's module says that it cannot do without one."""
    return _says(judge, "ASKS_A_MODEL")


def compares(judge: str) -> bool:
    """Whether the judge's module says that it compares responses and gives none of them a score."""
    return _says(judge, "COMPARES")


def _says(judge: str, literal: str) -> bool:
    try:
        return bool(literals.read(module_name(judge), [literal])[literal])
    except ValueError:
        return False
