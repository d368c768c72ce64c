"""Findings of the single-index study in sentences, made from its tables and claiming no more.

Rewards and KL are exact there, so the only uncertainty is over seeds: a difference counts as
established where Holm's correction leaves p below 0.05, as a hint where only the uncorrected p is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from prefgrid.report.blocks import interval, number
from prefgrid.single_index.names import ORACLE
from prefgrid.statistics.contrasts import paired
from prefgrid.statistics.intervals import LEVEL
from prefgrid.statistics.verdict import Finding, Verdict

MOST_NAMES = 3
DIGITS = 3
Row = Mapping[str, Any]


def judge(row: Row, level: float = LEVEL) -> Verdict:
    """Verdict on one row of `contrasts.paired`."""
    if row["seeds"] == 0:
        return Verdict.MISSING
    # Comparisons with NaN, of one seed, are false.
    if row["p_holm"] < 1 - level:
        return Verdict.DIFFERENT
    return Verdict.SUGGESTIVE if row["p"] < 1 - level else Verdict.UNDECIDED


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
    verdicts = {judge(row) for row in rows}
    strongest = next((verdict for verdict in Verdict if verdict in verdicts), Verdict.MISSING)
    return Finding(_heading(shift, strongest, above, below, names, name), sentences, strongest)


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
    others = [
        by_learner[method] for method in methods if method in by_learner and method != baseline
    ]
    reached = [row for row in others if row["seeds"] > 0]
    reached.sort(key=lambda row: -row["difference"])
    sentences = [first, *([f"The others: {_list(reached, names)}."] if reached else [])]
    heading = f"Effect of the link: {name} {_number(own['difference'])}"
    if len(reached) > 1:
        worst, best = (
            f"{names[row['method']]} {_number(row['difference'])}"
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
    verdicts = {judge(row) for row in rows}
    return Finding(heading, [lead, *sentences], next(v for v in Verdict if v in verdicts))


def _level(own: pd.DataFrame, baseline: str, name: str, kappa_nats: float) -> str:
    if baseline not in own.index or own.loc[baseline, "seeds"] == 0:
        return f"{name} has no value at KL {kappa_nats:g}."
    row = own.loc[baseline]
    text = (
        f"At KL {kappa_nats:g}, n = {row['n']:,.0f} and τ = {row['tau']:g}, {name}'s mean reward is "
        f"{number(row['reward'], DIGITS)}"
    )
    limits = interval(row["reward_low"], row["reward_high"], DIGITS)
    seeds = "one seed, no interval" if limits is None else f"{row['seeds']:.0f} seeds"
    text += f" {limits} ({seeds}, 95 % t interval)" if limits else f" ({seeds})"
    if ORACLE in own.index and own.loc[ORACLE, "reward"] > 0:
        best = own.loc[ORACLE, "reward"]
        text += f", {100 * row['reward'] / best:.0f} % of the oracle's {number(best, DIGITS)}"
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


def _heading(
    shift: float,
    verdict: Verdict,
    above: Sequence[Row],
    below: Sequence[Row],
    names: Mapping[str, str],
    baseline: str,
) -> str:
    start = f"Shift {shift:g}: "
    if verdict is Verdict.DIFFERENT:
        sides = [
            f"{_who(rows, names)} {'lies' if len(rows) == 1 else 'lie'} {word} {baseline}"
            for rows, word in ((above, "above"), (below, "below"))
            if rows
        ]
        return start + ", ".join(sides)
    if verdict is Verdict.SUGGESTIVE:
        return f"{start}a hint of a difference to {baseline}, not established"
    if verdict is Verdict.MISSING:
        return f"{start}nothing to compare"
    return f"{start}no method can be told apart from {baseline}"


def _who(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    if len(rows) > MOST_NAMES:
        return f"{len(rows)} methods"
    shown = [names[row["method"]] for row in rows]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _list(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    return ", ".join(f"{names[row['method']]} {_signed(row)}" for row in rows)


def _signed(row: Row) -> str:
    if row["seeds"] == 0:
        return "missing"
    limits = interval(row["low"], row["high"], DIGITS, signed=True) or "(one seed)"
    # Figures of one comparison stay on one line.
    return f"{_number(row['difference'])} {limits}".replace(" ", "\u00a0")


def _number(value: float) -> str:
    return str(number(value, DIGITS, signed=True))
