"""The form of a finding, and the words that the studies' sections have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prefgrid.statistics.verdict import Verdict, chance_of_a_hint


@dataclass(frozen=True)
class Finding:
    """`sentences`: the first carries the result. `verdict`: of a comparison; else "premise" of what others
    rest on, "measured" of what was counted rather than compared, "warning" of what spoils a result."""

    heading: str
    sentences: list[str]
    verdict: Verdict | Literal["premise", "measured", "warning"]


def shift_heading(
    shift: float, verdict: Verdict, baseline: str, difference: str, comparisons: int
) -> str:
    """Heading of a finding about all methods at one shift; `verdict`: the strongest among them.

    `difference`: which methods differ, shown if that is the verdict. `baseline`: display name.
    `comparisons`: how many the findings of all shifts have, each of which could be a hint by chance.
    """
    start = f"Shift {shift:g}: "
    if verdict is Verdict.DIFFERENT:
        return f"{start}{difference}"
    if verdict is Verdict.SUGGESTIVE:
        return f"{start}a hint of a difference to {baseline}, {not_established(comparisons)}"
    if verdict is Verdict.MISSING:
        return f"{start}nothing to compare"
    return f"{start}no method can be told apart from {baseline}"


def not_established(comparisons: int) -> str:
    """What a heading says of a hint: how often so many comparisons give one though nothing differs."""
    rate = f"{chance_of_a_hint(comparisons):.0%}".replace("%", " %")
    return f"not established (by chance in up to {rate} of reports)"


def listing(items: Sequence[str]) -> str:
    """a; a and b; a, b and c. Of no items, the empty string."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def seeds(count: float) -> str:
    return "one seed" if count == 1 else f"{count:,.0f} seeds"


def digits_for(low: float, high: float, usual: int, narrow: float) -> int:
    """Digits of an interval: one more than `usual` if it is narrower than `narrow`.

    Else both ends may round to the same number, which hides on which side of 0 they lie.
    """
    return usual + 1 if high - low < narrow else usual


def values(numbers: Sequence[float]) -> str:
    """1,000, 2,000 for counts; 0, 0.75 for other numbers."""
    return ", ".join(f"{one:,}" if isinstance(one, int) else f"{one:g}" for one in numbers)


def compared_at(kappas_nats: Sequence[float]) -> str:
    """KL = 1 nats; of several, the first is that of the findings."""
    first, *others = kappas_nats
    return f"KL = {first:g} nats" + (f" (findings), {values(others)}" if others else "")


def training_label(methods: Sequence[str], all_methods: int) -> str:
    """What a row of facts about the training of `methods` is called; `all_methods`: how many."""
    return "Training" if len(methods) == all_methods else f"Training of {', '.join(methods)}"
