"""Findings of the single-index study in sentences, made from its tables and claiming no more.

Rewards and KL are exact there, so the only uncertainty is over seeds: a difference counts as
established where Holm's correction leaves p below 0.05, as a hint where only the uncorrected p is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from prefgrid.report.blocks import interval, number
from prefgrid.report.words import Finding, digits_for, listing, seeds, shift_heading
from prefgrid.statistics.contrasts import paired
from prefgrid.statistics.verdict import Verdict, strongest
from prefgrid.statistics.verdict import judge_over_seeds as judge
from prefgrid.studies.single_index.names import ORACLE

MOST_NAMES = 3
DIGITS = 3
NARROW = 0.005
Row = Mapping[str, Any]


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
    here = differences[(differences["shift"] == shift) & (differences["baseline"] == baseline)]
    rows = here.sort_values("difference", ascending=False).to_dict("records")
    name = names[baseline]

    def having(verdict: Verdict, sign: int = 0) -> list[Row]:
        found = [row for row in rows if judge(row) is verdict]
        return [row for row in found if not sign or sign * row["difference"] > 0]

    above, below = having(Verdict.DIFFERENT, 1), having(Verdict.DIFFERENT, -1)
    sentences = [_level(own, baseline, name, kappa_nats)]
    if above:
        sentences.append(f"Above {name}, after Holm's correction: {_list(above, names)}.")
    if below:
        sentences.append(f"Below {name}, after Holm's correction: {_list(below, names)}.")
    if having(Verdict.SUGGESTIVE):
        hints = _list(having(Verdict.SUGGESTIVE), names)
        sentences.append(f"A hint only, p < 0.05 before but not after the correction: {hints}.")
    if having(Verdict.UNDECIDED):
        sentences.append(_undecided(having(Verdict.UNDECIDED), names, name))
    short = [
        f"{names[method]} ({row['seeds']:.0f} of {row['seeds'] + row['seeds_missing']:.0f} seeds)"
        for method, row in own.iterrows()
        if method != ORACLE and row["seeds_missing"] > 0
    ]
    if short:
        sentences.append(f"Not all seeds reach this KL: {', '.join(short)}.")
    if not rows:
        sentences.append("There is no other method to compare with.")
    verdict = strongest(judge(row) for row in rows)
    sides = ", ".join(
        f"{_who(found, names)} {'lies' if len(found) == 1 else 'lie'} {word} {name}"
        for found, word in ((above, "above"), (below, "below"))
        if found
    )
    return Finding(shift_heading(shift, verdict, name, sides), sentences, verdict)


def effect_finding(
    runs: pd.DataFrame,
    methods: Sequence[str],
    names: Mapping[str, str],
    baseline: str,
    kappa_nats: float,
) -> Finding | None:
    """What the largest shift costs each method, paired by seed; None with a single shift.

    `runs` of one n and τ: `method, seed, shift, n, reward`. Judged by the baseline's change alone: one
    comparison, with nothing to correct.
    """
    low, high = runs["shift"].min(), runs["shift"].max()
    if low == high:
        return None
    # The contrast is between shifts here, and the learner is what groups the runs.
    turned = runs[runs["method"] != ORACLE].rename(columns={"method": "learner", "shift": "method"})
    changes = paired(turned, "reward", ["learner", "n"], [low, high], low, family=["learner"])
    by_learner = {
        row["learner"]: row | {"method": row["learner"]} for row in changes.to_dict("records")
    }
    own, name = by_learner[baseline], names[baseline]
    text = f"From shift {low:g} to {high:g}"
    if judge(own) is Verdict.MISSING:
        sentence = f"{text}, {name} cannot be compared: no seed reaches KL {kappa_nats:g} at both."
        return Finding("Effect of the link: missing", [sentence], Verdict.MISSING)
    first = (
        f"{text}, {name}'s reward at KL {kappa_nats:g} changes by {_signed(own)}, paired by seed."
    )
    if own["seeds"] == 1:
        first += " One seed says nothing about other training seeds."
    elif judge(own) is Verdict.UNDECIDED:
        first += " The interval contains 0: with these seeds the effect is not established."
    others = [
        by_learner[method] for method in methods if method in by_learner and method != baseline
    ]
    reached = [row for row in others if row["seeds"] > 0]
    reached.sort(key=lambda row: -row["difference"])
    sentences = [first, *([f"The others: {_list(reached, names)}."] if reached else [])]
    heading = "Effect of the link: "
    if judge(own) is Verdict.UNDECIDED:
        heading += "one seed" if own["seeds"] == 1 else "not settled"
        return Finding(heading, sentences, Verdict.UNDECIDED)
    heading += f"{name} {number(own['difference'], DIGITS, signed=True)}"
    if len(reached) > 1:
        worst, best = (
            f"{names[row['method']]} {number(row['difference'], DIGITS, signed=True)}"
            for row in (reached[-1], reached[0])
        )
        heading += f", the others from {worst} to {best}"
    return Finding(heading, sentences, judge(own))


def family_finding(
    differences: pd.DataFrame, names: Mapping[str, str], baseline: str
) -> Finding | None:
    """Variants of one learner against each other; None if the table has no such rows."""
    within = differences[differences["baseline"] != baseline].sort_values("shift", kind="stable")
    if within.empty:
        return None
    rows = within.to_dict("records")
    established = [row for row in rows if judge(row) is Verdict.DIFFERENT]
    above = sum(row["difference"] > 0 for row in established)
    sentences = []
    for (method, base), own in within.groupby(["method", "baseline"], sort=False):
        detail = "; ".join(
            f"shift {row['shift']:g} {_signed(row)}" for row in own.to_dict("records")
        )
        sentences.append(f"{names[method]} minus {names[base]}: {detail}.")
    heading = (
        f"Variants of one learner: {len(established)} of {len(rows)} differences are established"
        + (f", {above} above and {len(established) - above} below 0" if established else "")
    )
    lead = (
        "Differences in reward with 95 % t intervals, paired by seed. Holm's correction covers the "
        "shifts of each pair."
    )
    return Finding(heading, [lead, *sentences], strongest(judge(row) for row in rows))


def _level(own: pd.DataFrame, baseline: str, name: str, kappa_nats: float) -> str:
    if baseline not in own.index or own.loc[baseline, "seeds"] == 0:
        return f"{name} has no value at KL {kappa_nats:g}."
    row = own.loc[baseline]
    text = (
        f"At KL {kappa_nats:g}, n = {row['n']:,.0f} and τ = {row['tau']:g}, {name}'s mean reward is "
        f"{number(row['reward'], DIGITS)}"
    )
    limits = interval(row["reward_low"], row["reward_high"], DIGITS)
    count = seeds(row["seeds"])
    text += f" {limits} ({count}, 95 % t interval)" if limits else f" ({count}, no interval)"
    # Seeds have teachers of their own: means over different seeds are no share of each other.
    best = own.loc[ORACLE] if ORACLE in own.index else None
    if best is not None and best["seeds"] == row["seeds"] and best["reward"] > 0:
        text += f", {100 * row['reward'] / best['reward']:.0f} % of the oracle's {number(best['reward'], DIGITS)}"
    return f"{text}."


def _undecided(rows: Sequence[Row], names: Mapping[str, str], baseline: str) -> str:
    detail = _list(rows, names)
    if all(row["seeds"] == 1 for row in rows):
        return f"With one seed nothing can be said about the methods themselves ({detail})."
    room = max(abs(row[end]) for row in rows if row["seeds"] > 1 for end in ("low", "high"))
    return (
        f"Not distinguishable from {baseline}: {detail}. This is no evidence of equality: the "
        f"intervals leave room for differences of up to {number(room, DIGITS)}."
    )


def _who(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    if len(rows) > MOST_NAMES:
        return f"{len(rows)} methods"
    return listing([names[row["method"]] for row in rows])


def _list(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    return ", ".join(f"{names[row['method']]} {_signed(row)}" for row in rows)


def _signed(row: Row) -> str:
    if row["seeds"] == 0:
        return "missing"
    digits = digits_for(row["low"], row["high"], DIGITS, NARROW)
    limits = interval(row["low"], row["high"], digits, signed=True) or "(one seed)"
    # Figures of one comparison stay on one line.
    return f"{number(row['difference'], digits, signed=True)} {limits}".replace(" ", "\u00a0")
