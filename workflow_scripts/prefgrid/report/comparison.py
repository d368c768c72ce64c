"""Comparisons in sentences, alike in every study, that claim what the numbers show and no more.

Nothing differs before Holm's correction, and what does not show is never called equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from prefgrid.report.blocks import interval, number
from prefgrid.report.scale import Difference, Scale
from prefgrid.report.words import (
    Finding,
    listing,
    not_established,
    seeds,
    shift_heading,
)
from prefgrid.statistics.verdict import Verdict, chance_of_a_hint, strongest

MOST_NAMES = 3


def level(where: str, claim: str, row: Mapping[str, Any], value: str, digits: int) -> str:
    """A method's own value: `claim`, and the t interval over seeds of the column `value`."""
    how = "no interval"
    if row["seeds"] > 1:
        how = f"95 % t interval {interval(row[f'{value}_low'], row[f'{value}_high'], digits)}"
    return f"At {where}, {claim} ({seeds(row['seeds'])}, {how})"


def at_one_shift(
    shift: float,
    first: str,
    rows: Sequence[Difference],
    baseline: str,
    scale: Scale,
    comparisons: int,
) -> Finding:
    """Which methods differ from the baseline (display name) at a shift; `first`: its `level`.

    `comparisons`: how many the findings of all shifts have with a p value.
    """

    def having(*wanted: Verdict) -> list[Difference]:
        return [row for row in rows if row.verdict in wanted]

    different, hints = having(Verdict.DIFFERENT), having(Verdict.SUGGESTIVE)
    sides = {
        word: found
        for word, sign in (("above", 1), ("below", -1))
        if (found := [row for row in different if sign * row.value > 0])
    }
    sentences = [first]
    if scale.over_prompts:
        end = ", over training seeds and over prompts."
        sentences += [_lies(row, baseline, scale) + end for row in different]
        sentences += [f"{_lies(row, baseline, scale)}: {_why_a_hint(row, scale)}." for row in hints]
        heading = f"{_who(different, 'differ')} from {baseline}"
    else:
        for word, found in sides.items():
            start = f"{word.capitalize()} {baseline}, after Holm's correction"
            sentences.append(f"{start}: {scale.listed(found)}.")
        if hints:
            start = "A hint only, p < 0.05 before but not after the correction"
            sentences.append(f"{start}: {scale.listed(hints)}.")
        heading = ", ".join(
            f"{_who(found, 'lie')} {word} {baseline}" for word, found in sides.items()
        )
    if hints:
        sentences.append(_by_chance(comparisons))
    if undecided := having(Verdict.UNDECIDED, Verdict.THESE_POLICIES):
        sentences.append(_undecided(undecided, baseline, scale))
    if these := having(Verdict.THESE_POLICIES):
        detail = ", ".join(f"{row.name} {scale.ends(row.over_prompts)}" for row in these)
        sentences.append(
            f"Compared prompt by prompt, the policies trained here do differ from {baseline}'s after "
            f"Holm's correction ({detail}); that says nothing about other training seeds."
        )
    if missing := having(Verdict.MISSING):
        sentences.append(f"Missing at this KL: {listing([row.name for row in missing])}.")
    if not rows:
        sentences.append("There is no other method to compare with.")
    verdict = strongest(row.verdict for row in rows)
    return Finding(
        shift_heading(shift, verdict, baseline, heading, comparisons), sentences, verdict
    )


def effect_of_the_link(
    shifts: tuple[float, float],
    own: Difference,
    kappa_nats: float,
    scale: Scale,
    others: Iterable[Difference] = (),
) -> Finding:
    """What the second shift costs against the first, judged by the baseline's `own` change alone: one
    comparison, with nothing to correct. `others`: the other methods' changes."""
    heading, verdict = "Effect of the link: ", own.verdict
    text = f"From shift {shifts[0]:g} to {shifts[1]:g}, {own.name}'s reward at KL {kappa_nats:g}"
    if verdict is Verdict.MISSING:
        text += f" cannot be compared: no seed reaches KL {kappa_nats:g} at both."
        return Finding(f"{heading}missing", [text], verdict)
    others = sorted((row for row in others if row.seeds > 0), key=lambda row: -row.value)
    text += f" changes by {scale.of_unit(own.value, signed=True)}"
    prompts = scale.ends(own.over_prompts)
    if own.seeds > 1:
        text += f" {scale.ends(own.over_seeds)} ({seeds(own.seeds)}, 95 % t interval, paired)"
    if own.seeds == 1:
        heading += "one seed"
        text += " in the one seed. One seed says nothing about other training seeds."
    elif verdict is Verdict.DIFFERENT:
        text += f"; over prompts, given the seeds, {prompts}." if scale.over_prompts else "."
        heading = _established_effect(own, others, scale)
    elif verdict is Verdict.SUGGESTIVE:
        heading += f"a hint, {not_established(comparisons=1)}"
        text += f": {_why_a_hint(own, scale)}."
    else:
        heading += "not settled"
        text += ". The interval contains 0: with these seeds the effect is not established."
        if verdict is Verdict.THESE_POLICIES:
            text += f" The same prompts do change for the policies trained here ({prompts})."
    more = [f"The others: {scale.listed(others)}."] if others else []
    return Finding(heading, [text, *more], verdict)


def variants(within: pd.DataFrame, names: Mapping[str, str], scale: Scale) -> Finding:
    """Variants of one learner: differences to each row's own `baseline`, at several shifts."""
    within = within.assign(row=scale.differences(within, names))
    found = [row for row in within["row"] if row.verdict is Verdict.DIFFERENT]
    above = sum(row.value > 0 for row in found)
    heading = f"Variants of one learner: {len(found)} of {len(within)} differences are established"
    if found:
        heading += f", {above} above and {len(found) - above} below 0"
    sentences = [
        "Differences in reward with 95 % t intervals, paired by seed. Holm's correction covers them "
        "and the differences to the baseline: the whole differences.csv."
    ]
    for (method, base), own in within.groupby(["method", "baseline"], sort=False):
        cells = zip(own["shift"], own["row"], strict=True)
        detail = "; ".join(f"shift {shift:g} {scale.shown(row)}" for shift, row in cells)
        sentences.append(f"{names[method]} minus {names[base]}: {detail}.")
    return Finding(heading, sentences, strongest(row.verdict for row in within["row"]))


def _established_effect(own: Difference, others: Sequence[Difference], scale: Scale) -> str:
    """`others`: the best first."""
    if not others:
        return f"The shifted link {'lowers' if own.value < 0 else 'raises'} {own.name}'s reward"
    change, worst, best = (
        f"{row.name} {number(row.value, scale.digits, signed=True)}"
        for row in (own, others[-1], others[0])
    )
    rest = f", the others from {worst} to {best}" if len(others) > 1 else ""
    return f"Effect of the link: {change}{rest}"


def _lies(row: Difference, baseline: str, scale: Scale) -> str:
    size, side = scale.of_unit(abs(row.value)), "above" if row.value > 0 else "below"
    return f"{row.name} lies {size} {side} {baseline} {scale.ends(row.over_seeds)}"


def _why_a_hint(row: Difference, scale: Scale) -> str:
    low, high = row.over_prompts
    if not scale.over_prompts or low > 0 or high < 0:
        return (
            "the interval over seeds excludes 0, but not after Holm's correction for the number "
            "of comparisons"
        )
    return (
        "the seeds agree, but over the evaluation prompts the difference cannot be told from 0 "
        f"({scale.ends(row.over_prompts)}); few seeds can agree by chance"
    )


def _by_chance(comparisons: int) -> str:
    return (
        f"Chance alone gives {comparisons} comparisons at least one hint in up to "
        f"{100 * chance_of_a_hint(comparisons):.0f} of 100 reports (1 − 0.95^{comparisons})."
    )


def _undecided(rows: Sequence[Difference], baseline: str, scale: Scale) -> str:
    what = f"differences in {scale.unit}" if scale.unit else "differences"
    detail = scale.listed(rows)
    ends = [abs(end) for row in rows if row.seeds > 1 for end in row.over_seeds]
    if not ends:
        return (
            "With one seed nothing can be said about the methods themselves "
            f"({what} to {baseline}: {detail})."
        )
    over = " over training seeds" if scale.over_prompts else ""
    room = f"{number(max(ends), scale.digits)} {scale.short}".rstrip()
    return (
        f"Not distinguishable from {baseline}{over}: {detail} ({what}, 95 % t intervals). This is "
        "not evidence of equality: the intervals leave room for differences of up to "
        f"{room}."
    )


def _who(rows: Sequence[Difference], plural: str) -> str:
    """Names, or how many they are, with their verb."""
    names = [row.name for row in rows]
    who = f"{len(names)} methods" if len(names) > MOST_NAMES else listing(names)
    return f"{who} {plural}{'s' if len(rows) == 1 else ''}"
