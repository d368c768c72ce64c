"""Findings of the soft-policy study in sentences, made from its tables and claiming no more.

All measures of a run are exact, so what is said of a run holds for it; nothing is said about seeds that were
not run.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from prefgrid.report.blocks import number
from prefgrid.report.words import Finding, listing, seeds
from prefgrid.statistics.soft_value import is_sound
from prefgrid.studies.soft_policy.looks import (
    GROUPS,
    MANY,
    TV_REACHED,
    VALID_MASS_REACHED,
    reached,
)

PUBLISHED, PUBLISHED_EXACT = "softpo_published", "softpo_published_exact"
# A policy that writes a number less often has collapsed.
COLLAPSED = 0.5
DIGITS = 3
SPLIT_WORDS = {"train": "the targets trained on", "test": "other targets"}


def reached_findings(
    summary: pd.DataFrame, names: Mapping[str, str], baseline: str
) -> Iterator[Finding]:
    """Which methods reach the optimum, a finding a reference and β; `summary`: the study's table, in
    reading order. `names`: label → display name."""
    for (reference, beta), own in summary.groupby(["reference", "beta"], sort=False):
        where = f"{reference.capitalize()} reference, β = {beta:g}"
        targets = own["target"].astype(str) + own["split"]
        several = targets.nunique() > 1
        worded = [_measured(row, names, several=several) for row in own.to_dict("records")]
        share = own["seeds_reached_share"]
        kinds = {
            "In every seed": share == 1,
            "In some seeds only": (share > 0) & (share < 1),
            "In none": share == 0,
        }
        by_kind = {
            kind: [text for text, holds in zip(worded, rows, strict=True) if holds]
            for kind, rows in kinds.items()
        }
        bound = (
            f"The optimum counts as reached with TV below {TV_REACHED:g} and valid mass above "
            f"{VALID_MASS_REACHED:g}."
        )
        sentences = [
            *(f"{kind}: {'; '.join(rows)}." for kind, rows in by_kind.items() if rows),
            bound,
        ]
        yield Finding(f"{where}: {_who(own, names, baseline)}", sentences, "measured")


def published_finding(kept: pd.DataFrame, summary: pd.DataFrame) -> Finding | None:
    """What the published loss does with its own Q̂0 and with the exact one; None without both labels.

    kept: rows of `looks.looks` that are kept, one a run.
    """
    cell = [*GROUPS, "seed"]
    own = {
        label: kept[kept["method"] == label].set_index(cell)[["tv", "valid_mass"]]
        for label in (PUBLISHED, PUBLISHED_EXACT)
    }
    both = own[PUBLISHED].join(own[PUBLISHED_EXACT], how="inner", rsuffix="_exact")
    if both.empty:
        return None
    nearer = both["tv"] < both["tv_exact"]
    lost, collapsed = (both[name] < COLLAPSED for name in ("valid_mass", "valid_mass_exact"))
    estimates = summary[summary["method"] == PUBLISHED].set_index(GROUPS)
    sentences = []
    found = dict(iter(both.groupby(GROUPS)))
    for place, shift_nats in estimates["value_shift_nats"].items():
        if place not in found:
            continue
        runs = found[place]
        sentences.append(
            f"{_place(place)}: TV {_range(runs['tv'])} and valid mass {_range(runs['valid_mass'])} with "
            f"the published estimates, whose targets are off by up to {number(abs(shift_nats), 1)} nats; "
            f"TV {_range(runs['tv_exact'])} and valid mass {_range(runs['valid_mass_exact'])} with the "
            f"exact value ({seeds(len(runs))})."
        )
    first = (
        f"With the exact Q₀ {share_of(collapsed)} runs of the published loss write a number less than half the "
        f"time; with the published estimates {share_of(lost)} do, and {share_of(reached(both))} reach the optimum."
    )
    if estimates["feasibility"].map(is_sound).any():
        heading = "The published estimates of Q₀ are not wrong everywhere"
    elif reached(both).all() and collapsed.all():
        heading = (
            "The published run reaches its target through its wrong Q̂₀: with the right one the same loss "
            "collapses"
        )
    elif nearer.all() and collapsed.all():
        heading = (
            "The published run gets as far as it does through its wrong Q̂₀: with the right one the same "
            "loss collapses"
        )
    elif nearer.all():
        heading = "The published loss ends nearer to the optimum with its wrong Q̂₀ than with the right one"
    elif not nearer.any():
        heading = "The published loss ends no nearer to the optimum with its wrong Q̂₀"
    else:
        heading = f"The published loss ends nearer to the optimum with its wrong Q̂₀ in {share_of(nearer)} runs"
    return Finding(heading, [first, *sentences], "measured")


def _who(own: pd.DataFrame, names: Mapping[str, str], baseline: str) -> str:
    """Which methods reach the optimum at every target, in a heading."""
    lowest = own.groupby("method", sort=False)["seeds_reached_share"].min()
    found = [method for method, share in lowest.items() if share == 1]
    # The method that the study is about comes first.
    found.sort(key=lambda method: method != baseline)
    if not found:
        return "no method reaches the optimum in every seed"
    if len(found) == len(lowest) > 1:
        return "every method reaches the optimum"
    verb = "reaches" if len(found) == 1 else "reach"
    return f"{listing([names[method] for method in found])} {verb} the optimum"


def _measured(row: Mapping[str, Any], names: Mapping[str, str], *, several: bool) -> str:
    where = ""
    if several:
        where = (
            f" on {SPLIT_WORDS[row['split']]}"
            if row["target"] == MANY
            else f" at target {row['target']}"
        )
    share, count = row["seeds_reached_share"], row["seeds"]
    partly = f", {share * count:.0f} of {seeds(count)}" if 0 < share < 1 else f", {seeds(count)}"
    text = f"{names[row['method']]}{where} (TV {row['tv']:.{DIGITS}f}, valid mass "
    return f"{text}{row['valid_mass']:.{DIGITS}f}{_samples(row)}{partly})"


def _samples(row: Mapping[str, Any]) -> str:
    """After how many samples TV was below its bound, if it was in every seed."""
    count = row["samples_to_tv"]
    return "" if pd.isna(count) else f", after {count:,.0f} samples"


def _place(place: Sequence[Any]) -> str:
    reference, beta, target, split = place
    what = SPLIT_WORDS[split] if target == MANY else f"target {target}"
    return f"{reference.capitalize()} reference, β = {beta:g}, {what}"


def _range(values: pd.Series) -> str:
    low, high = (f"{end:.{DIGITS}f}" for end in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def share_of(holds: pd.Series) -> str:
    return f"{int(holds.sum())} of {len(holds)}"
