"""What an objective needs and which options it takes, read from its source without importing it."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from prefgrid.config import modules
from prefgrid.config.suggestions import allowed

TARGETS = ("labels", "win_probabilities", "pair_probabilities", "scores", "weights", "none")
SWITCHES = ("reference_logps", "coupled", "sampling_logps")
# Whatever is not said is no.
OPTIONAL = ("sampling_logps",)

_KIND = modules.Kind("objective", "objectives", ("NEEDS", "OPTIONS"), ("Objective",))
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
    problem = _problem_of(needs)
    if problem:
        raise ValueError(f"{_KIND.called(objective)}: NEEDS: {problem}")
    return Constants(needs, *_KIND.options(objective))


def _problem_of(needs: Any) -> str | None:
    names = ("targets", "responses", *SWITCHES)
    if not isinstance(needs, dict):
        return f"must be a dictionary of {', '.join(names)}"
    for name in needs:
        if name not in names:
            return f"unknown {name!r}; {allowed(str(name), names)}"
    for name in names:
        if name not in needs and name not in OPTIONAL:
            return f"lacks {name!r}"
        if name in SWITCHES and not isinstance(needs.get(name, False), bool):
            return f"{name} {needs[name]!r}; allowed: True, False"
    targets, responses = needs["targets"], needs["responses"]
    if targets not in TARGETS:
        return f"targets {targets!r}; allowed: {', '.join(TARGETS)}"
    if responses is not None and (type(responses) is not int or responses < 1):
        return f"responses {responses!r}; allowed: a number from 1, None for any"
    return None


def check_options(objective: str, options: dict[str, Any]) -> None:
    """ValueError naming every option that does not exist or whose value is out of its bound."""
    modules.check_options(f"objective {objective!r}", options, constants(objective).bounds)


def estimates_log_z(options: dict[str, Any]) -> bool:
    """Whether an objective's options take log Z from the responses of a group: an estimate where they are
    all that the reference drew, and none where a pair of them was chosen by its worth."""
    return options.get("baseline") == "log_z"


def told_the_link(options: dict[str, Any], shift: float) -> dict[str, Any]:
    """An objective's options, with the shift of the preferences' link (in units of u/T) for `link_shift`
    where it has that option and leaves it null."""
    unknown = "link_shift" in options and options["link_shift"] is None
    return {**options, **({"link_shift": shift} if unknown else {})}
