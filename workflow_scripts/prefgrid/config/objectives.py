"""What an objective needs and which options it takes, read from its source without importing it."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from prefgrid.config import modules

TARGETS = ("labels", "win_probabilities", "scores", "weights", "none")

_KIND = modules.Kind("objective", "objectives", ("NEEDS", "OPTIONS"))
module_name, known, source = _KIND.module_name, _KIND.known, _KIND.source


@dataclass(frozen=True)
class Constants:
    """An objective's literals: what it needs, and its options' defaults and bounds by name."""

    needs: dict[str, Any]
    defaults: dict[str, Any]
    bounds: dict[str, Any]

    def beyond_pairs(self) -> str | None:
        """What it needs other than labels on two responses, in words; None if that is all."""
        targets, responses = self.needs["targets"], self.needs["responses"]
        if (targets, responses) != ("labels", 2):
            return f"{targets} on {responses or 'any number of'} responses"
        if self.needs.get("sampling_logps", False):
            return "the log-probabilities that responses were sampled with"
        return None


@cache
def constants(objective: str) -> Constants:
    """The literals of an objective, not to be changed; read only once.

    ValueError if they are not complete, name unknown targets, or an option is not (default, bound).
    """
    needs = _KIND.read(objective)["NEEDS"]
    targets = needs.get("targets")
    if targets not in TARGETS:
        raise ValueError(
            f"{_KIND.called(objective)}: NEEDS: targets {targets!r}; allowed: {', '.join(TARGETS)}"
        )
    return Constants(needs, *_KIND.options(objective))


def check_options(objective: str, options: dict[str, Any]) -> None:
    """ValueError naming every option that does not exist or whose value is out of its bound."""
    modules.check_options(f"objective {objective!r}", options, constants(objective).bounds)
