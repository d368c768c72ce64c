"""Table cells about values over seeds, worded alike in every study; None where one is missing."""

from prefgrid.report.blocks import interval, not_a_number, number
from prefgrid.statistics.power import MOST_SEEDS

ONE_SEED = "one seed"


def ends(low: float, high: float, seeds: float, digits: int, signed: bool = False) -> str | None:
    """A t interval."""
    return ONE_SEED if seeds == 1 else interval(low, high, digits, signed)


def p_value(value: float, seeds: float) -> str | None:
    if seeds == 1:
        return ONE_SEED
    return "< 0.001" if value < 0.001 else number(value, 3)


def positive(count: float, seeds: float) -> str | None:
    """In how many of the compared seeds a difference is positive."""
    return f"{count:.0f} of {seeds:.0f}" if seeds > 0 else None


def needed(value: float, seeds: float) -> str | None:
    """`power.seeds_needed`."""
    if seeds == 1:
        return ONE_SEED
    if not_a_number(value):
        return None
    return f"≥ {MOST_SEEDS:,}" if value >= MOST_SEEDS else f"{value:.0f}"
