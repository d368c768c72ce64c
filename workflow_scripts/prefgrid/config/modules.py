"""Modules that the config names: a plain name is one of ours, a dotted one anybody's."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from prefgrid.config import literals
from prefgrid.config.suggestions import allowed
from prefgrid.limits import bounds

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Kind:
    """Modules that one key of the config chooses among, and how they are read without importing them.

    what: one of them, in words. package: where ours are. literals: what each of them has, and no helper
    beside ours. defined: functions and classes that a job calls. suffix: what the file of ours has
    behind its name in the config.
    """

    what: str
    package: str
    literals: tuple[str, ...]
    defined: tuple[str, ...]
    suffix: str = ""

    def module_name(self, name: str) -> str:
        """Importable module of a name."""
        return name if "." in name else f"prefgrid.{self.package}.{name}{self.suffix}"

    def known(self) -> tuple[str, ...]:
        """Names of our own, sorted."""
        return _known(self)

    def source(self, name: str) -> Path:
        """Source file of a name; ValueError with a suggestion if there is none."""
        if "." not in name and name not in self.known():
            raise ValueError(
                f"unknown {self.what} {name!r}; {allowed(name, self.known())}, or the dotted name "
                "of an importable module"
            )
        path = literals.found(self.module_name(name))
        if path is None:
            raise ValueError(f"unknown {self.what} {name!r}: no such importable module")
        return path

    def called(self, name: str) -> str:
        """What messages about its literals call it: `judge 'own.longest' (longest.py)`."""
        return f"{self.what} {name!r} ({self.source(name).name})"

    def read(self, name: str) -> dict[str, Any]:
        """Its literals; ValueError if there is no such module, or it lacks one or a function."""
        module, called = self.module_name(name), self.called(name)
        found = literals.read(module, self.literals, called)
        literals.defines(module, self.defined, called)
        return found

    def options(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """(defaults, bounds) by name, of the literal OPTIONS; ValueError if one is not (default, bound) or
        a default is out of its bound."""
        declared = self.read(name)["OPTIONS"]
        try:
            defaults, known = bounds.split(declared)
            found = bounds.problems(defaults, known)
        except ValueError as error:
            raise ValueError(f"{self.called(name)}: OPTIONS: {error}") from error
        if found:
            raise ValueError(f"{self.called(name)}: OPTIONS: default {'; '.join(found)}")
        return defaults, known


def check_options(what: str, options: dict[str, Any], known_bounds: dict[str, Any]) -> None:
    """ValueError naming every option of `what` that does not exist or is out of its bound."""
    found = [
        f"no option {name!r}; {allowed(name, known_bounds)}"
        for name in options
        if name not in known_bounds
    ]
    existing = {name: value for name, value in options.items() if name in known_bounds}
    found += [f"option {message}" for message in bounds.problems(existing, known_bounds)]
    if found:
        raise ValueError(f"{what}: {'; '.join(found)}")


@cache
def _known(kind: Kind) -> tuple[str, ...]:
    files = (PACKAGE / kind.package).glob(f"*{kind.suffix}.py")
    names = (path.stem.removesuffix(kind.suffix) for path in files)
    return tuple(sorted(name for name in names if _is_one(kind, name)))


def _is_one(kind: Kind, name: str) -> bool:
    try:
        return bool(literals.read(kind.module_name(name), kind.literals))
    except ValueError:
        return False
