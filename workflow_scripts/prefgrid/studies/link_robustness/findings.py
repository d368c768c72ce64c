"""Findings of the link-robustness study in sentences, made from its tables and claiming no more."""

from collections.abc import Mapping

import pandas as pd

from prefgrid.report import comparison
from prefgrid.report.blocks import number
from prefgrid.report.scale import Scale
from prefgrid.report.words import Finding
from prefgrid.statistics.verdict import judge_over_seeds_and_prompts, shift_change

SCALE = Scale(
    judge_over_seeds_and_prompts,
    value="difference_sd",
    over_seeds=("difference_sd_seeds_low", "difference_sd_seeds_high"),
    over_prompts=tuple(f"difference_sd_prompts_{end}_given_seeds" for end in ("low", "high")),
    digits=2,
    narrow=0.1,
    unit="reference sd",
    short="sd",
)


def shift_finding(
    shift: float,
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    names: Mapping[str, str],
    baseline: str,
) -> Finding:
    """Can the methods be told apart from the baseline at this shift, at the largest n?

    `summary`, `differences`: tables of `comparison`. `names`: label → display name.
    """
    n = summary["n"].max()
    tested = differences[differences["n"] == n]["p_seeds"].count()
    own, here = (
        table[(table["shift"] == shift) & (table["n"] == n)] for table in (summary, differences)
    )
    name = names.get(baseline, baseline)
    level = _level(own[own["method"] == baseline], name)
    rows = SCALE.differences(here, names)
    return comparison.at_one_shift(shift, level, rows, name, SCALE, tested)


def link_finding(
    runs: pd.DataFrame,
    summary: pd.DataFrame,
    reward_sd: float,
    baseline: str,
    name: str,
    kappa_nats: float,
) -> Finding | None:
    """What the largest shift costs the baseline, paired by seed; None with a single shift.

    `runs`, `summary`, `reward_sd` as in `verdict.shift_change`. Judged as a difference between
    methods is, over seeds and over prompts.
    """
    row = shift_change(runs, summary, reward_sd, baseline)
    if row is None:
        return None
    shifts, change = (row["shift_low"], row["shift_high"]), SCALE.difference(row, name)
    return comparison.effect_of_the_link(shifts, change, kappa_nats, SCALE)


def _level(own: pd.DataFrame, name: str) -> str:
    if own.empty or own["seeds"].iloc[0] == 0:
        return f"{name} has no value at this KL."
    row = own.iloc[0]
    where = f"KL {row['kappa_nats']:g} and n = {row['n']:,}"
    claim = f"{name} gains {number(row['gain_sd'], SCALE.digits)} reference sd over the reference"
    return comparison.level(where, claim, row, "gain_sd_seeds", SCALE.digits) + "."
