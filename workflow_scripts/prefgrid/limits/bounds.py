"""What an option of an objective or a judge may be, written as a literal beside its default.

Options are {name: (default, bound)}. A bound is a list of the allowed values, or one of these texts:

    "> 0"    ">= 0"    "[0, 1)"    "[1e-6, 1e6]"    "integer > 0"    "integer in [1, 1e6]"

each also with " or null" at its end; the numbers are free. Of a text that is not empty the bound is "text",
or "text with {one}, {other}" where it must hold these words in braces.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

from prefgrid.limits import lengths

INERT = True

_NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
_TEXT = re.compile(
    rf"(?P<integer>integer )?"
    rf"(?:(?P<sign>>=|>) (?P<least>{_NUMBER})"
    rf"|(?(integer)in )\[(?P<low>{_NUMBER}), (?P<high>{_NUMBER})(?P<end>[)\]]))"
    rf"(?P<null> or null)?"
)

_WORDS = re.compile(r"text(?: with (?P<names>\{\w+\}(?:, \{\w+\})*))?")


def split(declared: dict[str, tuple[Any, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(defaults by name, bounds by name); ValueError naming options that are no such pair."""
    if not isinstance(declared, dict):
        raise ValueError("must be a dictionary of name: (default, bound)")
    wrong = [name for name, pair in declared.items() if type(pair) is not tuple or len(pair) != 2]
    if wrong:
        raise ValueError(f"{', '.join(map(repr, wrong))} must be (default, bound)")
    defaults = {name: default for name, (default, _) in declared.items()}
    return defaults, {name: bound for name, (_, bound) in declared.items()}


def fits(value: Any, bound: str | list[Any]) -> bool:
    """Whether `value` is within `bound`; ValueError if the bound itself is not of the grammar."""
    if isinstance(bound, list):
        # 0 equals False, but a number is no switch.
        return any(value == one and type(value) is type(one) for one in bound)
    texts = _WORDS.fullmatch(bound) if isinstance(bound, str) else None
    if texts is not None:
        needed = texts["names"].split(", ") if texts["names"] else [""]
        return isinstance(value, str) and value != "" and all(name in value for name in needed)
    found = _TEXT.fullmatch(bound) if isinstance(bound, str) else None
    if found is None:
        raise ValueError(
            f"{bound!r} is no bound; allowed: a list of values, or a text such as '> 0', '>= 0', "
            "'[0, 1)', 'integer > 0', each also with ' or null' at its end, 'text'"
        )
    if value is None:
        return found["null"] is not None
    number = isinstance(value, int) if found["integer"] else isinstance(value, int | float)
    if not number or isinstance(value, bool) or not -math.inf < value < math.inf:
        return False
    if found["low"] is not None:
        low, high = float(found["low"]), float(found["high"])
        return low <= value < high or (found["end"] == "]" and value == high)
    least = float(found["least"])
    return value > least or (found["sign"] == ">=" and value == least)


def words(bound: str | list[Any]) -> str:
    """The bound as the end of a message: "allowed: …"."""
    if isinstance(bound, list):
        return ", ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in bound)
    if bound.startswith("integer"):
        return f"an {bound}"
    if bound.startswith("text"):
        return f"a {bound}"
    return f"a number {'in ' if bound.startswith('[') else ''}{bound}"


def problems(options: dict[str, Any], bounds: dict[str, Any]) -> list[str]:
    """One message for each option whose value is out of its bound; ValueError for one whose bound is
    none."""
    found = []
    for name, value in options.items():
        try:
            fit = fits(value, bounds[name])
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        if not fit:
            found.append(f"{name} = {value!r}; allowed: {words(bounds[name])}")
    return found


def are_whole(shares: Iterable[float]) -> bool:
    """Whether the sum of shares is 1, but for rounding."""
    return abs(sum(shares) - 1) <= 1e-9


def pace_problem(pace: lengths.Pace) -> str | None:
    """Which keys about the learning rate over time contradict each other, or None."""
    if pace.warmup_share is not None and pace.warmup_steps > 0:
        return (
            f"warmup_share is {pace.warmup_share:g} and warmup_steps is {pace.warmup_steps}; set one of "
            "them: allowed: warmup_steps 0, or warmup_share null"
        )
    if pace.schedule_epochs is None:
        return None
    if pace.schedule_steps is not None:
        return (
            f"schedule_epochs is {pace.schedule_epochs:g} and schedule_steps is {pace.schedule_steps}; "
            "set at most one of them, the other to null"
        )
    if pace.epochs is None:
        return (
            f"schedule_epochs is {pace.schedule_epochs:g}, but the training is as long as max_steps; "
            "allowed: epochs in the place of max_steps, or schedule_steps"
        )
    return None


def warm_up_problem(pace: lengths.Pace, run_steps: int) -> str | None:
    """What is wrong with a warm-up in which training ends, or None.

    A schedule of more epochs than the training's is meant to be left early, in its warm-up too.
    """
    warmup = lengths.warm_up_steps(pace, run_steps)
    by_epochs = pace.schedule_epochs is not None
    end = lengths.horizon(pace, run_steps) if by_epochs else run_steps
    if warmup < end:
        return None
    share = pace.warmup_share
    said = "warmup_steps is" if share is None else f"the warm-up (warmup_share {share:g}) takes"
    longer = "a longer schedule (schedule_epochs)" if by_epochs else "longer training"
    return (
        f"{said} {warmup} of {end} optimizer steps, so the learning rate would "
        f"never reach its peak; allowed: a shorter warm-up, or {longer} (epochs, max_steps, "
        "more data or a smaller batch_size)"
    )


def standstill_problem(pace: lengths.Pace, run_steps: int) -> str | None:
    """What is wrong with a rate that is 0 before training ends, or None."""
    horizon = lengths.horizon(pace, run_steps)
    if pace.final_learning_rate_share > 0 or horizon >= run_steps:
        return None
    epochs = pace.schedule_epochs
    said = (
        "schedule_steps is"
        if epochs is None
        else f"the schedule (schedule_epochs {epochs:g}) takes"
    )
    return (
        f"{said} {horizon} of {run_steps} optimizer steps and "
        "final_learning_rate_share is 0, so the last steps would learn nothing; allowed: a longer "
        "schedule or null, a share above 0, or shorter training (epochs, max_steps)"
    )


def warm_start_problem(warm_start_epochs: float, steps_in_epoch: int, run_steps: int) -> str | None:
    """What is wrong with a warm start that training never leaves, or None."""
    warm = lengths.warm_start_steps(warm_start_epochs, steps_in_epoch)
    if warm < run_steps:
        return None
    return (
        f"the warm start (warm_start_epochs {warm_start_epochs:g}) takes {warm} of {run_steps} "
        "optimizer steps, so the method would never differ from DPO; "
        "allowed: longer training (epochs or max_steps), or a smaller warm_start_epochs"
    )
