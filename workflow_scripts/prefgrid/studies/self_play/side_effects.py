"""Findings on what comes with a win rate: judges that part, length, and what beats the policy.

As in `findings`, of one seed intervals are over prompts and of several they are t intervals over seeds.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from prefgrid.report.blocks import interval, number
from prefgrid.report.words import Finding, listing
from prefgrid.statistics.intervals import LEVEL
from prefgrid.studies.self_play.findings import ONE_SEED
from prefgrid.studies.self_play.names import judge_name, run_name

DIGITS = 3
# Of a scorer's mean, whose scale is the scorer's.
SCORE_DIGITS = 2
Row = Mapping[str, Any]


def of_judges(found: pd.DataFrame) -> Finding:
    """Whether the judge that trains runs ahead of the held-out one at the end, and what the held-out one says of
    the way there; found: `cells`."""
    ahead, level, over, rising, neither = [], [], [], [], []
    for (judge, method), own in _runs(found):
        name, last = run_name(method, judge), own.iloc[-1]
        if not (last["judge_gap_low"] > 0 and last["judge_gap_p_holm"] < 1 - LEVEL):
            level.append(name)
            continue
        first = own.loc[own["judge_gap_low"] > 0, "iteration"].iloc[0]
        ends = interval(last["judge_gap_low"], last["judge_gap_high"], DIGITS, signed=True)
        gap = number(last["judge_gap"], DIGITS, signed=True)
        ahead.append(f"{name} {gap} {ends}, first above 0 at iteration {first:.0f}")
        rises = last["win_previous_low"] > 0.5
        (over if _falls(own) else rising if rises else neither).append(name)
    sentences = [
        "At the last iterate, the win rate by the judge that trains minus that by the held-out judge on the same "
        f"pairs: {'; '.join(ahead)}."
        if ahead
        else "No last iterate is shown to win more by the judge that trains than by the held-out one on the same pairs."
    ]
    sentences += [
        f"{words} {listing(names)}."
        for words, names in (
            ("Over-optimised, as the held-out win rate falls:", over),
            ("The held-out win rate still rises at the last iterate of", rising),
            (
                "The held-out win rate is shown neither to rise to the last iterate nor to fall in",
                neither,
            ),
            ("Not shown, which is no evidence of equality, for", level),
        )
        if names
    ]
    sentences += _scores_that_fell(found)
    sentences.append(
        "The heading holds after Holm's correction over the runs; intervals are of one comparison each."
    )
    return Finding(
        f"The training judge runs ahead of the held-out one in {len(ahead)} of {len(ahead) + len(level)} runs",
        [*sentences, *_one_seed(found)],
        "warning" if over else "measured",
    )


def of_length(found: pd.DataFrame) -> Finding:
    """How length changed, and what is left of the win rate without it; found: `cells`."""
    told, shares = [], []
    for (judge, method), own in _runs(found):
        last, start = own.iloc[-1], _base(found, judge, method)["tokens"]
        shares.append(last["tokens"] / start - 1)
        controlled = number(last["lc_win_base"], DIGITS)
        ends = interval(last["lc_win_base_low"], last["lc_win_base_high"], DIGITS)
        told.append(
            f"{run_name(method, judge)} {number(start, 1)} to {number(last['tokens'], 1)} tokens, win rate "
            f"{number(last['win_base'], DIGITS)}, at equal length {controlled or 'not known'}"
            + (f" {ends}" if ends else "")
        )
    low, high = (f"{100 * share:+.0f} %".replace("-", "−") for share in (min(shares), max(shares)))
    change = low if low == high else f"{low} to {high}"
    return Finding(
        f"Length changes by {change}",
        [
            f"From the base to the last iterate: {'; '.join(told)}.",
            "At equal length: a logistic fit of the verdicts with its length term set to 0.",
        ],
        "measured",
    )


def of_classes(found: pd.DataFrame, rows: Sequence[Row]) -> Finding | None:
    """How far the best answer gets, before and after; None without classes. found: `cells`."""
    told, more, less, neither = [], [], [], []
    with_classes = found[found["judge"].isin([one["judge"] for one in rows if one["classes"]])]
    for (judge, method), own in _runs(with_classes):
        base, last, name = _base(found, judge, method), own.iloc[-1], run_name(method, judge)
        low, high = (last[f"exploitability_change_{end}"] for end in ("low", "high"))
        (more if low > 0 else less if high < 0 else neither).append(name)
        averaged = found[(found["judge"] == judge) & (found["method"] == method)]
        averaged = averaged.loc[averaged["average"].astype(bool), "exploitability"]
        before, after = (number(one["exploitability"], DIGITS) for one in (base, last))
        change = number(last["exploitability_change"], DIGITS, signed=True)
        ends = interval(low, high, DIGITS, signed=True) or "no interval"
        told.append(
            f"{name} from {before} to {after}, a change of {change} {ends}"
            + "".join(f" (average of the weights: {number(value, DIGITS)})" for value in averaged)
        )
    if not told:
        return None
    parts = [
        words.format(listing(names))
        for words, names in (
            ("of {} is more exploitable than the base", more),
            ("of {} is less exploitable than the base", less),
            ("of {} cannot be told apart from the base", neither),
        )
        if names
    ]
    return Finding(
        f"The last iterate {', that '.join(parts)}",
        [
            "Where preferences run in a circle, the exploitability, how much more than ½ the best single class wins "
            f"against the policy by the held-out judge, goes {'; '.join(told)}.",
            "Intervals are of one comparison each. SPPO's theorem is about the mixture of the iterates, and the last "
            "one may run around; the number shown is of the average of their weights, which is another policy.",
            *_one_seed(with_classes),
        ],
        "measured",
    )


def _runs(found: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """((judge, method), its iterates from 1 on, in order)."""
    own = found[~found["average"].astype(bool) & (found["iteration"] > 0)]
    yield from own.sort_values("iteration").groupby(["judge", "method"], sort=False)


def _base(found: pd.DataFrame, judge: str, method: str) -> pd.Series:
    """A run's row of iteration 0."""
    own = (found["judge"] == judge) & (found["method"] == method) & (found["iteration"] == 0)
    return found[own].iloc[0]


def _falls(own: pd.DataFrame) -> bool:
    """Whether the held-out judge says that a run got worse: its win rate against the base has an interval below
    that of an earlier iterate, or its last iterate loses to the one before."""
    below = own["win_base_high"] < own["win_base_low"].cummax().shift()
    return bool(below.any() or own["win_previous_high"].iloc[-1] < 0.5)


def _scores_that_fell(found: pd.DataFrame) -> Iterator[str]:
    """A sentence a scorer whose mean has fallen by the last iterate of some run, with an interval below 0."""
    for column in found:
        label, told = column.removeprefix("score_"), []
        # Of an end of a score there is no change.
        if label == column or f"change_{label}_high" not in found:
            continue
        for (judge, method), own in _runs(found):
            last = own.iloc[-1]
            if last[f"change_{label}_high"] < 0:
                ends = (_base(found, judge, method)[column], last[column])
                before, after = (number(value, SCORE_DIGITS) for value in ends)
                told.append(f"from {before} to {after} in {run_name(method, judge)}")
        if told:
            yield f"Mean {judge_name(label)} fell {listing(told)}, each with an interval below 0."


def _one_seed(found: pd.DataFrame) -> list[str]:
    return [ONE_SEED] if (found["seeds"] == 1).any() else []
