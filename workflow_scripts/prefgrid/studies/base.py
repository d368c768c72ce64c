"""How a study wires the shared steps: what each of its cells is made from, as paths and settings.

A rule exists once for all studies; its {study} and {cell} choose the study's answers. Plain strings
and dictionaries, made from the config alone: no torch, no file is opened.
"""

from dataclasses import dataclass, field
from typing import Any

# An artifact's file, or the files of one in several parts.
Paths = str | list[str]


@dataclass(frozen=True)
class Step:
    """One job of a shared rule.

    inputs: name → tracked files. spec: the config that the job uses, JSON-ready. weights: files that
    must be there and that an input's manifest vouches for, so that nobody hashes them twice.
    modules: dotted names of the code that the spec chooses by name.
    """

    inputs: dict[str, Paths]
    spec: dict[str, Any]
    weights: list[str] = field(default_factory=list)
    modules: tuple[str, ...] = ()
