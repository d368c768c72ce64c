"""The tables of the report's single-index section."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from prefgrid.report import columns
from prefgrid.report.blocks import Column, table
from prefgrid.report.evidence import evidence_table
from prefgrid.studies.single_index.names import GROUPS, ORACLE

FOLDER = "single_index/tables"
DIGITS = 3
# A table's file → what it says and how to read it.
CAPTIONS = {
    "summary": (
        "Exact rewards at one KL, means over seeds; a run that does not reach it is missing. "
        "Differences (differences.csv) are paired by seed; Holm's correction covers all methods and "
        "shifts of the same n and τ. Seeds > 0: in how many the difference is positive."
    ),
    "differences": (
        "Differences in reward at the same KL, paired by seed: of every method to the baseline, and "
        "between variants of one learner, of which a published label follows the original procedure. "
        "Holm's correction covers all methods and shifts compared with the baseline at the same n and "
        "τ, and of variants the shifts of one pair. Seeds needed: for a t test to see a difference of "
        "this size with probability 0.8; from few seeds, a rough guide."
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
    joined = summary.merge(to_baseline, on=["method", *GROUPS], how="left")
    joined = joined.assign(place=joined["method"].map(order)).sort_values([*GROUPS, "place"])
    # The rows of one shift stand together; τ and n are columns only where they tell rows apart.
    varying = [columns.KEYS[group] for group in GROUPS if group == "shift" or len(spec[group]) > 1]
    found = [_summary(joined, names, baseline, spec["kappa"], varying)]
    if len(within):
        found.append(_within(within.sort_values(["baseline", "method", *GROUPS]), names, varying))
    keys = [columns.KEYS[group] for group in GROUPS]
    file = f"{FOLDER}/identifiability.csv"
    return [*found, evidence_table(identifiability, CAPTIONS["identifiability"], keys, file)]


def _summary(
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
    file = f"{FOLDER}/summary.csv, differences.csv"
    return table("Reward at one KL", CAPTIONS["summary"], frame, shown, file)


def _within(frame: pd.DataFrame, names: Mapping[str, str], varying: list[Column]) -> dict[str, Any]:
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
        columns.of_seeds(columns.NEEDED, "pairs"),
    ]
    file = f"{FOLDER}/differences.csv"
    return table("Variants of one learner", CAPTIONS["differences"], frame, shown, file)


def _paired(label: str) -> list[Column]:
    ends = columns.ends("95 % t, paired", "low", "high", DIGITS, signed=True)
    return [
        columns.value(label, "difference", DIGITS, signed=True),
        columns.of_seeds(ends, "pairs"),
        columns.of_seeds(columns.p_value("p (Holm)", "p_holm"), "pairs"),
        columns.positive("Seeds > 0", "pairs"),
    ]
