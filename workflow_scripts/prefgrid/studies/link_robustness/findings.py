"""Findings of the link-robustness study in sentences, made from its tables and claiming no more."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from prefgrid.report.blocks import interval, number
from prefgrid.report.words import Finding, digits_for, listing, seeds, shift_heading
from prefgrid.statistics.verdict import Verdict, excludes_zero_over_prompts, shift_change, strongest
from prefgrid.statistics.verdict import judge_over_seeds_and_prompts as judge

DIGITS = 2
NARROW = 0.1
Row = Mapping[str, Any]


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
    n = int(summary["n"].max())
    own = summary[(summary["shift"] == shift) & (summary["n"] == n)].set_index("method")
    here = differences[(differences["shift"] == shift) & (differences["n"] == n)]
    rows = here.to_dict("records")
    verdicts = [judge(row) for row in rows]
    name = names.get(baseline, baseline)

    def having(*wanted: Verdict) -> list[Row]:
        return [row for row, verdict in zip(rows, verdicts, strict=True) if verdict in wanted]

    different, these = having(Verdict.DIFFERENT), having(Verdict.THESE_POLICIES)
    sentences = [_level(own, baseline, name)]
    for row in different:
        sentences.append(f"{_signed(row, names, name)}, over training seeds and over prompts.")
    for row in having(Verdict.SUGGESTIVE):
        sentences.append(f"{_signed(row, names, name)}: {_why_a_hint(row)}.")
    undecided = having(Verdict.UNDECIDED, Verdict.THESE_POLICIES)
    if undecided:
        sentences.append(_undecided(undecided, names, name))
    if these:
        detail = ", ".join(f"{names[row['method']]} {_over_prompts(row)}" for row in these)
        sentences.append(
            "Compared prompt by prompt, the policies trained here do differ from "
            f"{name}'s ({detail}); that says nothing about other training seeds."
        )
    if having(Verdict.MISSING):
        sentences.append(f"Missing at this KL: {_who(having(Verdict.MISSING), names)}.")
    if not rows:
        sentences.append("There is no other method to compare with.")
    verdict = strongest(verdicts)
    verb = "differs" if len(different) == 1 else "differ"
    heading = shift_heading(shift, verdict, name, f"{_who(different, names)} {verb} from {name}")
    return Finding(heading, sentences, verdict)


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
    verdict, change = judge(row), row["difference_sd"]
    start = (
        f"From shift {row['shift_low']:g} to {row['shift_high']:g}, {name}'s reward at "
        f"KL {kappa_nats:g}"
    )
    heading = "Effect of the link: "
    if verdict is Verdict.MISSING:
        text = f"{start} cannot be compared: no seed reaches this KL at both shifts."
        return Finding(f"{heading}missing", [text], verdict)
    start = f"{start} changes by {number(change, DIGITS, signed=True)} reference sd"
    if row["seeds"] == 1:
        text = f"{start} in the one seed, which says nothing about other training seeds."
        return Finding(f"{heading}one seed", [text], verdict)
    start = f"{start} ({seeds(row['seeds'])}, 95 % t interval {_over_seeds(row)})"
    prompts = _over_prompts(row)
    if verdict is Verdict.DIFFERENT:
        verb = "lowers" if change < 0 else "raises"
        text = f"{start}; over prompts, given the seeds, {prompts}."
        return Finding(f"The shifted link {verb} {name}'s reward", [text], verdict)
    if verdict is Verdict.SUGGESTIVE:
        hint = f"{heading}a hint, not established"
        return Finding(hint, [f"{start}: {_why_a_hint(row)}."], verdict)
    text = f"{start}. The interval contains 0: with these seeds the effect is not established."
    if verdict is Verdict.THESE_POLICIES:
        text += f" The same prompts do change for the policies trained here ({prompts})."
    return Finding(f"{heading}not settled", [text], verdict)


def _level(own: pd.DataFrame, baseline: str, name: str) -> str:
    if baseline not in own.index or own.loc[baseline, "seeds"] == 0:
        return f"{name} has no value at this KL."
    row = own.loc[baseline]
    text = f"At KL {row['kappa_nats']:g} and n = {row['n']:,}, {name} gains {row['gain_sd']:.2f} reference sd over the reference"
    if row["seeds"] == 1:
        return f"{text} ({seeds(1)}, no interval over seeds)."
    limits = _range(row["gain_sd_seeds_low"], row["gain_sd_seeds_high"])
    return f"{text} ({seeds(row['seeds'])}, 95 % t interval {limits})."


def _why_a_hint(row: Row) -> str:
    if excludes_zero_over_prompts(row):
        return (
            "the interval over seeds excludes 0, but not after Holm's correction for the number "
            "of comparisons"
        )
    return (
        "the seeds agree, but over the evaluation prompts the difference cannot be told from 0 "
        f"({_over_prompts(row)}); few seeds can agree by chance"
    )


def _undecided(rows: Sequence[Row], names: Mapping[str, str], baseline: str) -> str:
    detail = ", ".join(
        f"{names[row['method']]} {number(row['difference_sd'], DIGITS, signed=True)}"
        + (f" {_over_seeds(row)}" if row["seeds"] > 1 else "")
        for row in rows
    )
    if all(row["seeds"] == 1 for row in rows):
        return (
            f"With one seed nothing can be said about the methods themselves (differences to "
            f"{baseline} in reference sd: {detail})."
        )
    room = max(
        abs(row[f"difference_sd_seeds_{end}"])
        for row in rows
        if row["seeds"] > 1
        for end in ("low", "high")
    )
    return (
        f"Not distinguishable from {baseline} over training seeds: {_who(rows, names)} "
        f"(differences in reference sd with 95 % t intervals: {detail}). This is not evidence of "
        f"equality: the intervals leave room for differences of up to {room:.2f} sd."
    )


def _signed(row: Row, names: Mapping[str, str], baseline: str) -> str:
    word = "above" if row["difference_sd"] > 0 else "below"
    return (
        f"{names[row['method']]} lies {abs(row['difference_sd']):.2f} reference sd {word} {baseline} "
        f"{_over_seeds(row)}"
    )


def _who(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    return listing([names[row["method"]] for row in rows])


def _over_seeds(row: Row) -> str:
    return _range(row["difference_sd_seeds_low"], row["difference_sd_seeds_high"])


def _over_prompts(row: Row) -> str:
    return _range(*(row[f"difference_sd_prompts_{end}_given_seeds"] for end in ("low", "high")))


def _range(low: float, high: float) -> str:
    digits = digits_for(low, high, DIGITS, NARROW)
    return interval(low, high, digits, signed=True) or "no interval"
