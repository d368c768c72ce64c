"""Local sources, of the hub world and of comparisons: where a path in a config file leads to.

A relative path is looked for beside the config file that names it first, then in the run's folder. So a
file of one's own works from anywhere, with any `--directory`.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefgrid.config.fields import Problem

# The keys, or places in a list, that lead to a section with a source.
Place = tuple[str | int, ...]
HUB = (("hub", "models", "base"), ("hub", "models", "reward"), ("hub", "dataset"))
# What holds sections with a source by labels.
JUDGES = ("hub", "models", "judges")
# Files that a study of ours has of its own.
FILES = ("self_play", "prompts", "sources")
# One name, or an owner's; a path that is not there mostly looks otherwise.
HUB_ID = re.compile(r"(?:\w[\w.-]*/)?\w[\w.-]*")


def _places(raw: Mapping[str, Any]) -> list[Place]:
    """Those of the world, and of comparisons, that the config may have."""
    sets = [("comparisons", label, "source") for label in _labels(raw, ("comparisons",))]
    files = _found(raw, FILES)
    sets += [(*FILES, number) for number in range(len(files) if isinstance(files, list) else 0)]
    if raw.get("world") != "hub":
        return sets
    return [*HUB, *((*JUDGES, label) for label in _labels(raw, JUDGES)), *sets]


def _labels(raw: Mapping[str, Any], place: Place) -> list[str]:
    return [label for label in _at(raw, place) if isinstance(label, str)]


def folders(
    raw: Mapping[str, Any], files: Sequence[Path], read: Callable[[Path], Mapping[str, Any]]
) -> dict[Place, Path]:
    """Place → folder of the config file that names its source; none for one from the command line.

    files: in the order in which they override each other, the last over all others.
    """
    named: dict[Place, Path] = {}
    places = [place for place in _places(raw) if _source(raw, place) is not None]
    for path in files if places else ():
        content = read(path)
        for place in places:
            if _source(content, place) == _source(raw, place):
                named[place] = path.parent
    return named


def resolved(
    raw: dict[str, Any], beside: Mapping[Place, Path]
) -> tuple[dict[str, Any], list[Problem]]:
    """`raw` with each source that is there as a path from the run's folder; and what is nowhere.

    beside: place → folder to look in first. What is no path may be a hub id, with a revision.
    """
    problems = []
    for place in _places(raw):
        source = _source(raw, place)
        if not isinstance(source, str) or not source:
            continue  # the schema says so
        tried = [os.path.expanduser(source)]
        if place in beside and not os.path.isabs(tried[0]):
            tried.insert(0, os.path.join(os.path.relpath(beside[place]), tried[0]))
        found = next((path for path in tried if os.path.exists(path)), None)
        if found is None:
            problems += _nowhere(raw, place, source, tried)
        elif os.path.normpath(found) != os.path.normpath(source):  # else it stays as it is written
            raw = _with(raw, (*place, "source"), os.path.normpath(found))
    return raw, problems


def _nowhere(raw: Any, place: Place, source: str, tried: Sequence[str]) -> list[Problem]:
    key = ".".join(map(str, place))
    looked = " and ".join(dict.fromkeys(os.path.abspath(path) for path in tried))
    if not HUB_ID.fullmatch(source):
        return [
            (
                f"{key}.source",
                f"{source!r} is no local path (looked for {looked}) and no hub id; allowed: an "
                "existing path, best relative to the config file, or a hub id 'owner/name'",
            )
        ]
    if _at(raw, place).get("revision", "") is None:
        return [
            (
                f"{key}.revision",
                f"is null, but {source!r} is no local path (looked for {looked}); name a "
                "revision of the hub's, best a commit",
            )
        ]
    return []


def _source(raw: Any, place: Place) -> Any:
    return _at(raw, place).get("source")


def _at(raw: Any, place: Place) -> Mapping[str, Any]:
    """The section at a place, empty where there is none."""
    found = _found(raw, place)
    return found if isinstance(found, Mapping) else {}


def _found(raw: Any, place: Place) -> Any:
    """What stands at a place; None where there is none."""
    for key in place:
        if isinstance(raw, list) and isinstance(key, int) and key < len(raw):
            raw = raw[key]
        else:
            raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw


def _with(raw: Any, place: Place, value: Any) -> Any:
    """`raw` with another value at a place that it has; it itself stays as it is."""
    if not place:
        return value
    changed = list(raw) if isinstance(raw, list) else dict(raw)
    changed[place[0]] = _with(raw[place[0]], place[1:], value)
    return changed
