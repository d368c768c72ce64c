"""What a job of a rule is made from, as paths and settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

# An artifact's file, or the files of one in several parts.
Paths = str | list[str]


@dataclass(frozen=True)
class Step:
    """One job of a rule.

    inputs: name → tracked files. spec: the config that the job uses, JSON-ready. weights: files that
    must be there and that an input's manifest vouches for, so that nobody hashes them twice; and rehearsals.
    modules: dotted names of the code that the spec chooses by name.
    """

    inputs: Mapping[str, Paths]
    spec: Mapping[str, Any]
    weights: Sequence[str] = ()
    modules: tuple[str, ...] = ()

    def beside(self, inputs: Mapping[str, Paths], **settings: Any) -> "Step":
        """A job that asks what this Step gives, a judge say, about further inputs, with settings of its own."""
        return replace(self, inputs={**inputs, **self.inputs}, spec={**self.spec, **settings})
