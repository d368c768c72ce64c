"""What goes wrong in the soft-policy study and why, in sentences: only where a run shows it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from prefgrid.report.blocks import number
from prefgrid.report.words import Finding, listing
from prefgrid.statistics.soft_value import PUBLISHED_FALLBACK, is_sound
from prefgrid.studies.soft_policy.findings import COLLAPSED, share_of
from prefgrid.studies.soft_policy.looks import MANY
from prefgrid.studies.soft_policy.tables import sum_of_targets

SQUARED = ("squared", "published_squared")
SATURATING = ("cross_entropy", "squared_clip", "huber")


def failure_finding(
    summary: pd.DataFrame,
    recipes: Mapping[str, Mapping[str, Any]],
    task: Mapping[str, Any],
    names: Mapping[str, str],
) -> Finding | None:
    """Why squared losses collapse, in four sentences; None where none does on answers drawn uniformly."""
    squared = [
        label
        for label, recipe in recipes.items()
        if recipe["loss"] in SQUARED and dict(recipe["mix"]).keys() == {"uniform"}
    ]
    lost = summary[summary["method"].isin(squared) & (summary["valid_mass"] < COLLAPSED)]
    if lost.empty:
        return None
    failing = listing([names[label] for label in squared if label in set(lost["method"])])
    beta = lost["beta"].min()
    deepest_nats = max(1.0, -task["r_invalid"]) / beta
    cured = [
        label
        for label, recipe in recipes.items()
        if recipe["loss"] in SATURATING
        and dict(recipe["mix"]).keys() & {"policy", "replay"}
        and summary.loc[summary["method"] == label, "seeds_reached_share"].max() == 1
    ]
    cure = (
        "The policy's own samples, scored, show where the mass went, and a loss that saturates takes no "
        "large step for an answer that is negligible already"
    )
    having = [names[label] for label in cured]
    if having:
        cells = summary[summary["method"].isin(cured)]["seeds_reached_share"] == 1
        verbs = ("has", "reaches") if len(having) == 1 else ("have", "reach")
        cure += f": {listing(having)} {verbs[0]} both and {verbs[1]} the optimum in {share_of(cells)} cells"
    cure += "."
    return Finding(
        f"Why a squared loss on uniform answers alone loses the numbers: {failing}",
        [
            f"At β = {beta:g} the worst answers are to become up to e^{deepest_nats:.0f} times less "
            "probable against the reference, and a squared loss takes its largest steps for these.",
            "The mass that they lose goes to strings that are never drawn, and no term of the loss pins "
            "those.",
            _shift_sentence(summary, deepest_nats),
            cure,
        ],
        "premise",
    )


def _shift_sentence(summary: pd.DataFrame, deepest_nats: float) -> str:
    """What an error of Q̂0 does to the targets, of which the lowest is `-deepest_nats` but for Q0."""
    text = "An error of Q̂₀ shifts every target by (Q₀ − Q̂₀)/β nats"
    published = summary[summary["estimator"] == "published"]
    fallen = published[published["value"] == PUBLISHED_FALLBACK]
    if fallen.empty:
        farthest_nats = summary["value_shift_nats"].abs().max()
        return f"{text}, here by up to {number(farthest_nats, 1)}." if farthest_nats else f"{text}."
    beta = fallen["beta"].min()
    low, high = -deepest_nats - PUBLISHED_FALLBACK / beta, -PUBLISHED_FALLBACK / beta
    return (
        f"{text}: the published fallback {number(PUBLISHED_FALLBACK, 1)}, which some epoch here fell back on, "
        f"aims at log-ratios from {number(low, 0)} to {number(high, 0, signed=True)}, half as large and "
        "upwards as often as down."
    )


def estimate_warning(summary: pd.DataFrame, names: Mapping[str, str]) -> Finding | None:
    """Which estimates of Q̂0 make targets that do not sum to about 1; None if all are sound."""
    known = summary[summary["feasibility"].notna()]
    unsound = ~known["feasibility"].map(is_sound)
    wrong = known[unsound]
    if wrong.empty:
        return None
    several = summary["target"].nunique() > 1
    listed = [
        f"{names[row['method']]} ({_cell_words(row, several=several)}, {row['estimator']}): "
        f"{sum_of_targets(row)}"
        for row in wrong.to_dict("records")
    ]
    return Finding(
        f"Q̂₀ is off in {share_of(unsound)} cells",
        [
            "Their targets π_ref·exp((r − Q̂₀)/β) do not sum to between 0.5 and 2 at some epoch, in some "
            "seed, so no policy can meet all of them.",
            f"The sums that are farthest from 1: {'; '.join(listed)}.",
        ],
        "warning",
    )


def _cell_words(row: Mapping[str, Any], *, several: bool) -> str:
    words = f"{row['reference']}, β = {row['beta']:g}"
    return f"{words}, target {row['target']}" if several and row["target"] != MANY else words
