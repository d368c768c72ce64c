"""Columns of the studies' tables, worded alike; a cell is None where its value is missing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prefgrid.report.blocks import Column, interval, not_a_number, number
from prefgrid.report.words import seeds
from prefgrid.statistics.power import FEWEST_SEEDS, MOST_SEEDS

Row = Mapping[str, Any]
# What names a cell of the grid, beside the method.
KEYS = {
    "shift": Column("Shift", lambda row: f"{row['shift']:g}", "shift"),
    "tau": Column("τ", lambda row: f"{row['tau']:g}", "tau"),
    "n": Column("n", lambda row: f"{row['n']:,}", "n"),
}
SEEDS = Column(
    "Seeds", lambda row: f"{row['seeds']} of {row['seeds'] + row['seeds_missing']}", "seeds"
)


def method(label: str, names: Mapping[str, str], column: str = "method") -> Column:
    return Column(label, lambda row: names[row[column]], numeric=False)


def value(label: str, name: str, digits: int = 2, signed: bool = False) -> Column:
    return Column(label, lambda row: number(row[name], digits, signed), name)


def ends(label: str, low: str, high: str, digits: int = 2, signed: bool = False) -> Column:
    return Column(label, lambda row: interval(row[low], row[high], digits, signed), low)


def of_seeds(column: Column, count: str) -> Column:
    """`column`, which says so where there is but one seed in the column `count`."""
    text = column.text
    return replace(column, text=lambda row: "one seed" if row[count] == 1 else text(row))


def p_value(label: str, name: str) -> Column:
    return Column(label, lambda row: "< 0.001" if row[name] < 0.001 else number(row[name], 3), name)


def positive(label: str, count: str) -> Column:
    """In how many of the compared seeds a difference is positive."""
    name = "seeds_positive"
    return Column(
        label, lambda row: f"{row[name]:.0f} of {row[count]:.0f}" if row[count] > 0 else None, name
    )


def needed(count: str) -> Column:
    """`power.seeds_needed`, from the seeds in the column `count`, of which there may be too few."""

    def text(row: Row) -> str | None:
        value = row["seeds_needed"]
        if 0 < row[count] < FEWEST_SEEDS:
            return f"not from {seeds(row[count])}"
        if not_a_number(value):
            return None
        return f"≥ {MOST_SEEDS:,}" if value >= MOST_SEEDS else f"{value:.0f}"

    return Column("Seeds needed", text, "seeds_needed")
