"""What an objective needs and which options it takes, read from its source without importing it."""

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from prefgrid.config.suggestions import allowed
from prefgrid.limits import bounds

FOLDER = Path(__file__).resolve().parents[1] / "objectives"
# A module with all of these literals is an objective; helpers beside it have none.
CONSTANTS = ("NEEDS", "OPTIONS", "BOUNDS")


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


@cache
def constants(objective: str) -> dict[str, Any]:
    """The literals {"NEEDS": …, "OPTIONS": …, "BOUNDS": …}, not to be changed; read only once.

    ValueError if they are not complete.
    """
    path = source(objective)
    found = _literals(path)
    missing = [name for name in CONSTANTS if name not in found]
    if missing:
        raise ValueError(f"objective {objective!r} ({path.name}) lacks the literal {missing[0]}")
    unmatched = sorted(found["OPTIONS"].keys() ^ found["BOUNDS"].keys())
    if unmatched:
        raise ValueError(
            f"objective {objective!r} ({path.name}): {', '.join(unmatched)} must be in both "
            "OPTIONS and BOUNDS"
        )
    return found


def check_options(objective: str, options: dict[str, Any]) -> None:
    """ValueError naming every option that does not exist or whose value is out of its bound."""
    known_bounds = constants(objective)["BOUNDS"]
    found = [
        f"no option {name!r}; {allowed(name, known_bounds)}"
        for name in options
        if name not in known_bounds
    ]
    existing = {name: value for name, value in options.items() if name in known_bounds}
    found += [f"option {message}" for message in bounds.problems(existing, known_bounds)]
    if found:
        raise ValueError(f"objective {objective!r}: {'; '.join(found)}")


def _literals(path: Path) -> dict[str, Any]:
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id in CONSTANTS:
            found[target.id] = ast.literal_eval(node.value)
    return found
