"""The tables of the report's single-index section."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from prefgrid.report import evidence, seed_cells
from prefgrid.report.blocks import Column, number, table
from prefgrid.studies.single_index.names import GROUPS, ORACLE

FOLDER = "single_index/tables"
DIGITS = 3


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
    to_baseline = differences[differences["baseline"] == baseline]
    within = differences[differences["baseline"] != baseline].rename(columns={"seeds": "pairs"})
    joined = summary.merge(
        to_baseline.rename(columns={"seeds": "pairs"}).drop(columns="baseline"),
        on=["method", *GROUPS],
        how="left",
    )
    joined = joined.assign(place=joined["method"].map(order)).sort_values([*GROUPS, "place"])
    # The rows of one shift stand together; τ and n are columns only where they tell rows apart.
    varying = [group for group in GROUPS if group == "shift" or len(spec[group]) > 1]
    return [
        _summary(joined, names, baseline, spec["kappa"], varying),
        *(
            [_within(within.sort_values(["baseline", "method", *GROUPS]), names, varying)]
            if len(within)
            else []
        ),
        evidence.evidence_table(
            identifiability, _group_columns(GROUPS), f"{FOLDER}/identifiability.csv"
        ),
    ]


def _group_columns(groups: list[str]) -> list[Column]:
    columns = {
        "shift": Column("Shift", lambda row: f"{row['shift']:g}", "shift"),
        "tau": Column("τ", lambda row: f"{row['tau']:g}", "tau"),
        "n": Column("n", lambda row: f"{row['n']:,}", "n"),
    }
    return [columns[group] for group in groups]


def _summary(
    frame: pd.DataFrame,
    names: Mapping[str, str],
    baseline: str,
    kappa_nats: float,
    varying: list[str],
) -> dict[str, Any]:
    def of_difference(text: Any) -> Any:
        """The cell of a column about differences: a dash for what is not compared."""
        return lambda row: "–" if row["method"] in (baseline, ORACLE) else text(row)

    columns = [
        Column("Method", lambda row: names[row["method"]], numeric=False),
        *_group_columns(varying),
        Column(f"Reward at KL {kappa_nats:g}", lambda row: number(row["reward"], DIGITS), "reward"),
        Column("95 % t over seeds", _reward_ends, "reward_low"),
        Column(
            f"Minus {names[baseline]}",
            of_difference(lambda row: number(row["difference"], DIGITS, signed=True)),
            "difference",
        ),
        Column("95 % t, paired", of_difference(_gap_ends), "low"),
        Column("p (Holm)", of_difference(_p_holm), "p_holm"),
        Column("Seeds > 0", of_difference(_positive), "seeds_positive"),
        Column(
            "Spearman (t,\u00a0u)",
            lambda row: number(row["index_correlation"], DIGITS),
            "index_correlation",
        ),
        Column("Pair accuracy", lambda row: number(row["pair_accuracy"], DIGITS), "pair_accuracy"),
    ]
    if (frame["seeds_missing"] > 0).any():
        columns.append(
            Column(
                "Seeds",
                lambda row: f"{row['seeds']} of {row['seeds'] + row['seeds_missing']}",
                "seeds",
            )
        )
    caption = (
        f"Exact rewards at KL = {kappa_nats:g} nats; a run that does not reach this KL is missing. "
        "Differences are paired by seed; Holm's correction covers all methods and shifts of the "
        "same n and τ. Seeds > 0: in how many the difference is positive."
    )
    return table(
        "Reward at one KL", caption, frame, columns, f"{FOLDER}/summary.csv, differences.csv"
    )


def _within(frame: pd.DataFrame, names: Mapping[str, str], varying: list[str]) -> dict[str, Any]:
    columns = [
        Column("Method", lambda row: names[row["method"]], numeric=False),
        Column("Compared with", lambda row: names[row["baseline"]], numeric=False),
        *_group_columns(varying),
        Column(
            "Difference", lambda row: number(row["difference"], DIGITS, signed=True), "difference"
        ),
        Column("95 % t, paired", _gap_ends, "low"),
        Column("p", lambda row: seed_cells.p_value(row["p"], row["pairs"]), "p"),
        Column("p (Holm)", _p_holm, "p_holm"),
        Column("Seeds > 0", _positive, "seeds_positive"),
        Column(
            "Seeds needed",
            lambda row: seed_cells.needed(row["seeds_needed"], row["pairs"]),
            "seeds_needed",
        ),
    ]
    caption = (
        "Differences in reward at the same KL between variants of one learner, paired by seed. A "
        "published label follows the original procedure; Holm's correction covers the shifts of one "
        "pair at the same n and τ. Seeds needed: for a t test to see a difference of "
        "this size with probability 0.8; from few seeds, a rough guide."
    )
    return table("Variants of one learner", caption, frame, columns, f"{FOLDER}/differences.csv")


def _reward_ends(row: Mapping[str, Any]) -> str | None:
    return seed_cells.ends(row["reward_low"], row["reward_high"], row["seeds"], DIGITS)


def _gap_ends(row: Mapping[str, Any]) -> str | None:
    return seed_cells.ends(row["low"], row["high"], row["pairs"], DIGITS, signed=True)


def _p_holm(row: Mapping[str, Any]) -> str | None:
    return seed_cells.p_value(row["p_holm"], row["pairs"])


def _positive(row: Mapping[str, Any]) -> str | None:
    return seed_cells.positive(row["seeds_positive"], row["pairs"])
