"""What an objective needs and which options it takes, read from its source without importing it."""

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from prefgrid.config.suggestions import allowed

FOLDER = Path(__file__).resolve().parents[1] / "objectives"
# A module with both of these literals is an objective; helpers beside it have neither.
CONSTANTS = ("NEEDS", "OPTIONS")


def module_name(objective: str) -> str:
    """Importable module of an objective: a plain name is ours, a dotted one anybody's."""
    return objective if "." in objective else f"prefgrid.objectives.{objective}"


@cache
def known() -> tuple[str, ...]:
    """Names of our own objectives, sorted."""
    return tuple(
        sorted(
            path.stem for path in FOLDER.glob("*.py") if _literals(path).keys() == set(CONSTANTS)
        )
    )


def source(objective: str) -> Path:
    """Source file of an objective; ValueError with a suggestion if there is none."""
    if "." in objective:
        try:
            spec = importlib.util.find_spec(objective)
        except ModuleNotFoundError:
            spec = None
        if spec is None or spec.origin is None:
            raise ValueError(f"unknown objective {objective!r}: no such importable module")
        return Path(spec.origin)
    if objective not in known():
        raise ValueError(
            f"unknown objective {objective!r}; {allowed(objective, known())}, or the dotted name "
            "of an importable module"
        )
    return FOLDER / f"{objective}.py"


def constants(objective: str) -> dict[str, Any]:
    """The literal constants {"NEEDS": …, "OPTIONS": …} of an objective."""
    path = source(objective)
    found = _literals(path)
    missing = [name for name in CONSTANTS if name not in found]
    if missing:
        raise ValueError(f"objective {objective!r} ({path.name}) lacks the literal {missing[0]}")
    return found


def check_options(objective: str, options: dict[str, Any]) -> None:
    """ValueError if an option does not exist or has another type than its default."""
    defaults = constants(objective)["OPTIONS"]
    for name, value in options.items():
        if name not in defaults:
            raise ValueError(
                f"objective {objective!r} has no option {name!r}; {allowed(name, defaults)}"
            )
        if not _fits(value, defaults[name]):
            expected = type(defaults[name]).__name__
            raise ValueError(
                f"option {name!r} of objective {objective!r} is {value!r}; "
                f"expected {expected}, as its default {defaults[name]!r}"
            )


def _fits(value: Any, default: Any) -> bool:
    # null always means "switched off"; an integer is a fine float, but a bool is no number.
    if value is None or default is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return type(value) is type(default)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, type(default))


def _literals(path: Path) -> dict[str, Any]:
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id in CONSTANTS:
            found[target.id] = ast.literal_eval(node.value)
    return found
