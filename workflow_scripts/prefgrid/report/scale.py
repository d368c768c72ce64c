"""How differences are written in sentences: a study says with a `Scale` what their columns are called."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import nan
from typing import Any

import pandas as pd

from prefgrid.report.blocks import interval, number
from prefgrid.report.words import digits_for
from prefgrid.statistics.verdict import Verdict


@dataclass(frozen=True)
class Difference:
    """A difference to a baseline, paired by so many `seeds`: a t interval over them, and one over
    prompts, given their policies. `name`: whose, as displayed. NaN where missing."""

    name: str
    verdict: Verdict
    value: float
    seeds: float
    over_seeds: tuple[float, float]
    over_prompts: tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Columns of a study's differences, beside `method` and `seeds`, and how they are written.

    over_seeds, over_prompts: ends of the intervals; without the latter only seeds are random.
    digits: one more where an interval is narrower than `narrow`. unit, short: "" if they have none.
    """

    judge: Callable[[Mapping[str, Any]], Verdict]
    value: str
    over_seeds: tuple[str, str]
    digits: int
    narrow: float
    over_prompts: tuple[str, str] | None = None
    unit: str = ""
    short: str = ""

    def difference(self, row: Mapping[str, Any], name: str) -> Difference:
        low, high = self.over_seeds
        prompts = [row[end] for end in self.over_prompts or ()] or [nan, nan]
        ends = (row[low], row[high]), tuple(prompts)
        return Difference(name, self.judge(row), row[self.value], row["seeds"], *ends)

    def differences(self, table: pd.DataFrame, names: Mapping[str, str]) -> list[Difference]:
        return [self.difference(row, names[row["method"]]) for row in table.to_dict("records")]

    def ends(self, ends: tuple[float, float]) -> str:
        digits = digits_for(*ends, self.digits, self.narrow)
        return interval(*ends, digits, signed=True) or "no interval"

    def shown(self, row: Difference) -> str:
        """−0.20 [−0.30, −0.10], on one line."""
        if row.seeds == 0:
            return "missing"
        value = number(row.value, digits_for(*row.over_seeds, self.digits, self.narrow), True)
        limits = "(one seed)" if row.seeds == 1 else self.ends(row.over_seeds)
        return f"{value} {limits}".replace(" ", "\u00a0")

    def listed(self, rows: Iterable[Difference]) -> str:
        return ", ".join(f"{row.name} {self.shown(row)}" for row in rows)

    def of_unit(self, value: float, signed: bool = False) -> str:
        return f"{number(value, self.digits, signed)} {self.unit}".rstrip()
