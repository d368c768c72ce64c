"""What the labels can tell about the link, in words and as a table; from `identifiability.table`."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from prefgrid.report import columns
from prefgrid.report.blocks import Column, number, table
from prefgrid.report.words import Finding, listing

# An ideal test that sees the link this often can tell it, one this rarely cannot.
ENOUGH_POWER = 0.8
LITTLE_POWER = 0.2


def finding(identifiability: pd.DataFrame) -> Finding:
    """The finding that stands before all verdicts: at the largest n, a sentence a shift."""
    n = identifiability["n"].max()
    rows = identifiability[identifiability["n"] == n].sort_values("shift").to_dict("records")
    shifted = [row for row in rows if not _is_logistic(row)]
    able = [f"{row['shift']:g}" for row in shifted if row["power"] >= ENOUGH_POWER]
    start = (
        "The scan over β makes a link's scale irrelevant, so a learner with a logistic link is only as "
        f"wrong as the best-rescaled one. With n = {n:,} pairs:"
    )
    sentences = [start, *(_sentence(row) for row in rows)]
    if any(row["power"] <= LITTLE_POWER for row in rows):
        sentences.append(
            "Where the labels cannot tell, methods that differ do so for another reason than the link."
        )
    return Finding(_heading(able, shifted), sentences, "premise")


def evidence_table(
    identifiability: pd.DataFrame,
    caption: str,
    keys: Sequence[Column],
    file: str,
    more: Sequence[Column] = (),
) -> dict[str, Any]:
    """The table of all cells; `keys`: the columns that name a cell, `more`: what else a study shows."""
    measures = [
        columns.value("Excess KL (nats a label)", "excess_kl_nats", 5),
        columns.value("Over all n (nats)", "evidence_nats", 1),
        columns.value("Power of an ideal test", "power", 2),
        columns.value("Bayes accuracy", "bayes_accuracy", 3),
    ]
    caption += (
        " Excess KL: how far the labels' probabilities under the best-rescaled logistic link are from "
        "the true ones, given the utilities. Power: how often an ideal likelihood-ratio test at level "
        "0.05 would see that in n labels. Bayes accuracy: the most that any predictor of the labels "
        "can reach."
    )
    return table(
        "What the labels can tell", caption, identifiability, [*keys, *measures, *more], file
    )


def _is_logistic(row: dict[str, Any]) -> bool:
    return row["shift"] == 0


def _heading(able: list[str], shifted: list[dict[str, Any]]) -> str:
    if not shifted:
        return "The labels follow a logistic link: there is no other link to learn"
    if not able:
        return "The labels can hardly tell the true link from a logistic one at any shift"
    heading = f"At shift {listing(able)} the labels can tell the true link from a logistic one"
    return heading if len(able) == len(shifted) else f"{heading}, elsewhere not reliably"


def _sentence(row: dict[str, Any]) -> str:
    start = f"Shift {row['shift']:g}: "
    if _is_logistic(row):
        return f"{start}the logistic link is the true one, so no method can win by its link."
    size = (
        f"{_excess(row['excess_kl_nats'])} nats a label, {number(row['evidence_nats'], 1)} nats "
        f"in all; an ideal test would see this in {_share(row['power'])} training sets"
    )
    if row["power"] >= ENOUGH_POWER:
        return f"{start}the labels can tell. The logistic link loses {size}."
    if row["power"] > LITTLE_POWER:
        return f"{start}the labels can tell, but not reliably. The logistic link loses {size}."
    return (
        f"{start}the labels cannot tell. The logistic link loses {size}. The shift acts as label noise, "
        "and no method can be expected to win by its link."
    )


def _excess(nats: float) -> str:
    if nats < 1e-6:
        return "less than 0.000001"
    return f"{nats:.{4 if nats >= 0.001 else 6}f}"


def _share(power: float) -> str:
    percent = 100 * power
    if percent > 99:
        return "more than 99 of 100"
    return f"{percent:.0f} of 100"
