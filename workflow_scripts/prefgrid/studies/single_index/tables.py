"""The tables of the report's single-index section."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from prefgrid.report import columns
from prefgrid.report.blocks import Column, table
from prefgrid.report.evidence import evidence_table
from prefgrid.studies.at_kl import rows_at
from prefgrid.studies.single_index.names import GROUPS, ORACLE

FOLDER = "single_index/tables"
DIGITS = 3
# A table's file → what it says and how to read it.
CAPTIONS = {
    "summary": (
        "Exact rewards at one KL, means over seeds; a run that does not reach it is missing. "
        "Differences (differences.csv) are paired by seed; Holm's correction covers all of "
        "differences.csv: every method, shift, n and τ, and the variants of one learner. Seeds > 0: in "
        "how many the difference is positive."
    ),
    "differences": (
        "Differences in reward at the same KL, paired by seed: of every method to the baseline, and "
        "between variants of one learner, of which a published label follows the original procedure. "
        "Holm's correction covers all of them, at every shift, n and τ. Seeds needed: for a t test to "
        "see a difference of this size with probability 0.8, a rough guide; fewer than four seeds do "
        "not know the spread, and say nothing."
    ),
    "identifiability": (
        "Whether the labels of each shift, τ and n can tell the true link from the best-rescaled "
        "logistic one; means over seeds."
    ),
}


def tables(
    spec: Mapping[str, Any],
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    identifiability: pd.DataFrame,
    names: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Rewards, variants of one learner (if there are any), and what the labels can tell; frames as in
    `single_index.section`."""
    baseline = spec["baseline"]
    order = {method: place for place, method in enumerate([*spec["methods"], ORACLE])}
    differences = differences.rename(columns={"seeds": "pairs"})
    within = differences[differences["baseline"] != baseline]
    to_baseline = differences[differences["baseline"] == baseline].drop(columns="baseline")
    joined = summary.merge(to_baseline, on=["method", *GROUPS, "kappa_nats"], how="left")
    joined = joined.assign(place=joined["method"].map(order)).sort_values([*GROUPS, "place"])
    # The rows of one shift stand together; τ and n are columns only where they tell rows apart.
    varying = [columns.KEYS[group] for group in GROUPS if group == "shift" or len(spec[group]) > 1]
    kappas_nats, found = spec["kappas"], []
    for kappa_nats in kappas_nats:
        at = f" at KL {kappa_nats:g}" if len(kappas_nats) > 1 else ""
        own = rows_at(joined, kappa_nats)
        title = f"Reward{at or ' at one KL'}"
        found.append(_summary(title, own, names, baseline, kappa_nats, varying))
        own = rows_at(within, kappa_nats).sort_values(["baseline", "method", *GROUPS])
        if len(own):
            found.append(_within(f"Variants of one learner{at}", own, names, varying))
    keys = [columns.KEYS[group] for group in GROUPS]
    file = f"{FOLDER}/identifiability.csv"
    return [*found, evidence_table(identifiability, CAPTIONS["identifiability"], keys, file)]


def _summary(
    title: str,
    frame: pd.DataFrame,
    names: Mapping[str, str],
    baseline: str,
    kappa_nats: float,
    varying: list[Column],
) -> dict[str, Any]:
    def of_difference(column: Column) -> Column:
        """A column about differences: a dash for what is not compared."""
        return replace(
            column,
            text=lambda row: "–" if row["method"] in (baseline, ORACLE) else column.text(row),
        )

    over_seeds = columns.ends("95 % t over seeds", "reward_low", "reward_high", DIGITS)
    shown = [
        columns.method("Method", names),
        *varying,
        columns.value(f"Reward at KL {kappa_nats:g}", "reward", DIGITS),
        columns.of_seeds(over_seeds, "seeds"),
        *map(of_difference, _paired(f"Minus {names[baseline]}")),
        columns.value("Spearman (t,\u00a0u)", "index_correlation", DIGITS),
        columns.value("Pair accuracy", "pair_accuracy", DIGITS),
    ]
    if (frame["seeds_missing"] > 0).any():
        shown.append(columns.SEEDS)
    files = (f"{FOLDER}/{name}.csv" for name in ("summary", "differences"))
    return table(title, CAPTIONS["summary"], frame, shown, *files)


def _within(
    title: str, frame: pd.DataFrame, names: Mapping[str, str], varying: list[Column]
) -> dict[str, Any]:
    difference, ends, holm, positive = _paired("Difference")
    shown = [
        columns.method("Method", names),
        columns.method("Compared with", names, "baseline"),
        *varying,
        difference,
        ends,
        columns.of_seeds(columns.p_value("p", "p"), "pairs"),
        holm,
        positive,
        columns.of_seeds(columns.needed("pairs"), "pairs"),
    ]
    file = f"{FOLDER}/differences.csv"
    return table(title, CAPTIONS["differences"], frame, shown, file)


def _paired(label: str) -> list[Column]:
    ends = columns.ends("95 % t, paired", "low", "high", DIGITS, signed=True)
    return [
        columns.value(label, "difference", DIGITS, signed=True),
        columns.of_seeds(ends, "pairs"),
        columns.of_seeds(columns.p_value("p (Holm)", "p_holm"), "pairs"),
        columns.positive("Seeds > 0", "pairs"),
    ]
