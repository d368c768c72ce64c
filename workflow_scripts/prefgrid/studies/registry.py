"""Which studies there are, and what a run builds of them.

A study is a package with the modules `config` (a class Config), `checks` (a tuple CHECKS) and `wiring`
(a class Wiring). A plain name is one of ours, a dotted one any importable package; the last part of
the name is the study's, and that of its section in the config.
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefgrid.config import literals
from prefgrid.config.fields import Section
from prefgrid.config.suggestions import allowed

BUILT_IN = ("link_robustness", "single_index", "soft_policy", "pairwise_judges", "self_play")
RULES = Path(__file__).resolve().parents[3] / "rules" / "studies"


def packages(names: Iterable[str]) -> dict[str, str]:
    """Study → its package; ValueError for one that does not exist or has another's name."""
    found: dict[str, str] = {}
    for name in names:
        study = name.rpartition(".")[2]
        if study in found or (study in BUILT_IN and study != name):
            raise ValueError(f"{name!r} and another study are both named {study!r}")
        found[study] = package(name)
    return found


def package(name: str) -> str:
    """The package of one study, as `studies:` names it; ValueError if there is none."""
    if "." not in name:
        if name not in BUILT_IN:
            raise ValueError(
                f"{name!r} should be a study; {allowed(name, BUILT_IN)}, or the dotted name of an "
                "importable package"
            )
        return f"prefgrid.studies.{name}"
    if literals.found(f"{name}.config") is None:
        raise ValueError(
            f"{name!r} should be a study, but {name}.config is no importable module; is the folder "
            "above the package in PYTHONPATH, as an absolute path?"
        )
    section(name)
    return name


def section(package: str) -> type[Section]:
    """The model of a study's section; ValueError if it is none."""
    found = _of_the_study(package, "config", "Config")
    if not (isinstance(found, type) and issubclass(found, Section)):
        raise ValueError(f"{package}.config: Config must be a prefgrid.config.fields.Section")
    return found


def checks(package: str) -> Sequence[Any]:
    """Checks of a study: functions of its own section and the whole config."""
    return _of_the_study(package, "checks", "CHECKS")


def wiring(package: str, config: Any) -> Any:
    """The wiring object of a study."""
    return _of_the_study(package, "wiring", "Wiring")(config, package)


def _of_the_study(package: str, module: str, name: str) -> Any:
    """What a module of the study calls so; ValueError, whatever goes wrong in anybody's code."""
    try:
        return getattr(importlib.import_module(f"{package}.{module}"), name)
    except Exception as error:
        raise ValueError(f"{package}.{module}: {type(error).__name__}: {error}") from error


def rules(packages: Mapping[str, str]) -> list[str]:
    """Files of rules that belong to the studies alone."""
    return [str(path) for name in packages for path in _files(name)]


def _files(study: str) -> list[Path]:
    """<study>.smk, and <study>_<part>.smk where its rules are many."""
    found = [RULES / f"{study}.smk", *sorted(RULES.glob(f"{study}_*.smk"))]
    # Another study's name may start alike.
    theirs = tuple(name for name in BUILT_IN if name.startswith(f"{study}_"))
    return [path for path in found if path.is_file() and not path.name.startswith(theirs)]
