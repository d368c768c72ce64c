"""Findings of the single-index study in sentences, made from its tables and claiming no more.

Rewards and KL are exact there, so the only uncertainty is over seeds: a difference counts as
established where Holm's correction leaves p below 0.05, as a hint where only the uncorrected p is.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from prefgrid.report import comparison
from prefgrid.report.blocks import number
from prefgrid.report.scale import Scale
from prefgrid.report.words import Finding
from prefgrid.statistics.contrasts import paired
from prefgrid.statistics.verdict import judge_over_seeds
from prefgrid.studies.single_index.names import ORACLE

SCALE = Scale(
    judge_over_seeds, value="difference", over_seeds=("low", "high"), digits=3, narrow=0.005
)


def shift_finding(
    shift: float,
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    names: Mapping[str, str],
    baseline: str,
    kappa_nats: float,
) -> Finding:
    """Which methods differ from the baseline at this shift.

    Both tables of one n and τ, columns as in `single_index.section`.
    """
    own = summary[summary["shift"] == shift].set_index("method")
    to_baseline = differences[differences["baseline"] == baseline]
    here = to_baseline[to_baseline["shift"] == shift]
    rows = SCALE.differences(here.sort_values("difference", ascending=False), names)
    level = _level(own, baseline, names[baseline], kappa_nats)
    tested = to_baseline["p"].count()
    finding = comparison.at_one_shift(shift, level, rows, names[baseline], SCALE, tested)
    short = [
        f"{names[method]} ({row['seeds']:.0f} of {row['seeds'] + row['seeds_missing']:.0f} seeds)"
        for method, row in own.iterrows()
        if method != ORACLE and row["seeds_missing"] > 0
    ]
    if short:
        finding.sentences.append(f"Not all seeds reach this KL: {', '.join(short)}.")
    return finding


def effect_finding(
    runs: pd.DataFrame,
    methods: Sequence[str],
    names: Mapping[str, str],
    baseline: str,
    kappa_nats: float,
) -> Finding | None:
    """What the largest shift costs each method, paired by seed; None with a single shift.

    `runs` of one n and τ: `method, seed, shift, n, reward`.
    """
    low, high = runs["shift"].min(), runs["shift"].max()
    if low == high:
        return None
    # The contrast is between shifts here: one comparison a learner, a table each.
    found = {}
    for learner, own in runs[runs["method"].isin(methods)].groupby("method"):
        turned = own.drop(columns="method").rename(columns={"shift": "method"})
        change = paired(turned, "reward", ["n"], [([low, high], low)]).iloc[0]
        found[learner] = SCALE.difference(change, names[learner])
    own = found[baseline]
    others = [found[method] for method in methods if method in found and method != baseline]
    return comparison.effect_of_the_link((low, high), own, kappa_nats, SCALE, others)


def family_finding(
    differences: pd.DataFrame, names: Mapping[str, str], baseline: str
) -> Finding | None:
    """Variants of one learner against each other; None if the table has no such rows."""
    within = differences[differences["baseline"] != baseline].sort_values("shift", kind="stable")
    return None if within.empty else comparison.variants(within, names, SCALE)


def _level(own: pd.DataFrame, baseline: str, name: str, kappa_nats: float) -> str:
    if baseline not in own.index or own.loc[baseline, "seeds"] == 0:
        return f"{name} has no value at KL {kappa_nats:g}."
    row = own.loc[baseline]
    where = f"KL {kappa_nats:g}, n = {row['n']:,.0f} and τ = {row['tau']:g}"
    claim = f"{name}'s mean reward is {number(row['reward'], SCALE.digits)}"
    text = comparison.level(where, claim, row, "reward", SCALE.digits)
    # Seeds have teachers of their own: means over different seeds are no share of each other.
    best = own.loc[ORACLE] if ORACLE in own.index else None
    if best is not None and best["seeds"] == row["seeds"] and best["reward"] > 0:
        share, top = 100 * row["reward"] / best["reward"], number(best["reward"], SCALE.digits)
        text += f", {share:.0f} % of the oracle's {top}"
    return f"{text}."
