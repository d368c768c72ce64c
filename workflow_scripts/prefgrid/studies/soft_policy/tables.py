"""The tables of the report's soft-policy section."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from prefgrid.report import columns
from prefgrid.report.blocks import Column, not_a_number, number, table
from prefgrid.studies.soft_policy.figures.cells import SPLITS
from prefgrid.studies.soft_policy.looks import MANY

FOLDER = "soft_policy/tables"
GATHERED = "soft_policy/gathered"
DIGITS = 3
# A sum of targets farther from 1 is written as a power of e.
WRITTEN_OUT_NATS = 5.0
# Of a text that is no answer.
MOST_CHARACTERS = 12
# A table's file → what it says and how to read it.
CAPTIONS = {
    "summary": (
        "Exact measures of the weights that each run keeps, means over seeds. TV: total variation to the "
        "optimal policy. At the optimum: seeds with TV below 0.1 and valid mass above 0.97. π(target) beside "
        "the optimum's. Samples: responses drawn until a look finds TV below 0.1, a dash where not every seed gets there. Q̂₀: the estimate that is "
        "farthest off, of all seeds, epochs and targets; its error shifts every target by so many nats, and "
        "the targets then sum to what stands beside it, which should be 1."
    ),
    "differences": (
        "Differences in TV to the optimum, paired by seed; below 0 is nearer than the baseline. Holm's "
        "correction covers all of the table. Seeds needed: for a t test to see a difference of this size "
        "with probability 0.8, a rough guide; fewer than four seeds do not know the spread, and say nothing."
    ),
}
SAMPLES = (
    "Drawn at temperature 1 from the whole vocabulary, of the first seed: before training they are the "
    "reference's. What is no answer stands in quotes."
)


def tables(
    spec: Mapping[str, Any],
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    samples: pd.DataFrame,
    names: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Distance to the optimum, differences to the baseline (if there are any) and samples; frames as in
    `soft_policy.section`."""
    keys = _keys(summary, names)
    found = [_summary(in_order(summary, spec), keys)]
    if len(differences):
        found.append(_differences(in_order(differences, spec), keys, names[spec["baseline"]]))
    return [*found, _samples(in_order(samples, spec), names, named=spec["many"] is not None)]


def sum_of_targets(row: Mapping[str, Any]) -> str | None:
    """The feasibility of an estimate; as a power of e where it is far from 1."""
    shift_nats = row["value_shift_nats"]
    if not_a_number(shift_nats):
        return None
    if abs(shift_nats) > WRITTEN_OUT_NATS:
        return f"e^{number(shift_nats, 1)}"
    return number(float(np.exp(shift_nats)), DIGITS)


def in_order(frame: pd.DataFrame, spec: Mapping[str, Any]) -> pd.DataFrame:
    """By reference, β and target, the methods of each in the study's order."""
    place = {method: row for row, method in enumerate(spec["methods"])}
    reference = {name: row for row, name in enumerate(spec["references"])}
    target = {number: row for row, number in enumerate(spec["targets"])}
    split = {name: row for row, name in enumerate(SPLITS)}
    order = pd.DataFrame(
        {
            "reference": frame["reference"].map(reference),
            "beta": frame["beta"],
            "target": frame["target"].map(lambda one: target.get(one, len(target))),
            "split": frame["split"].map(split),
            "method": frame["method"].map(place),
        }
    )
    return frame.loc[order.sort_values(list(order), kind="stable").index]


def _keys(summary: pd.DataFrame, names: Mapping[str, str]) -> list[Column]:
    """What names a row; β and target only where they tell rows apart."""
    found = [
        columns.method("Method", names),
        Column("Reference", lambda row: row["reference"], numeric=False),
        Column("β", lambda row: f"{row['beta']:g}", "beta"),
    ]
    if summary["target"].eq(MANY).all():
        return [*found, Column("Targets", lambda row: SPLITS[row["split"]], numeric=False)]
    return [*found, Column("Target", lambda row: f"{row['target']}", "target")]


def _summary(frame: pd.DataFrame, keys: list[Column]) -> dict[str, Any]:
    def known(column: Column) -> Column:
        """A dash for what a method does not have, or not in every seed."""
        return replace(column, text=lambda row: column.text(row) or "–")

    over_seeds = columns.ends("95 % t over seeds", "tv_low", "tv_high", DIGITS)
    shown = [
        *keys,
        columns.value("TV", "tv", DIGITS),
        columns.of_seeds(over_seeds, "seeds"),
        columns.value("Valid mass", "valid_mass", DIGITS),
        Column("At the optimum", _reached, "seeds_reached_share"),
        columns.value("Mean score", "reward", DIGITS),
        columns.value("π(target)", "p_target", DIGITS),
        columns.value("π*(target)", "p_target_optimum", DIGITS),
        columns.value("KL to reference (nats)", "kl_to_reference_nats"),
        columns.value("KL from optimum (nats)", "kl_from_optimum_nats"),
        known(columns.value("Samples", "samples_to_tv", 0)),
        known(Column("Q̂₀", _estimator, numeric=False)),
        known(columns.value("Its error (nats)", "value_shift_nats", 2, signed=True)),
        known(Column("Targets sum to", sum_of_targets, "value_shift_nats")),
    ]
    if (frame["seeds_missing"] > 0).any():
        shown.append(columns.SEEDS)
    return table(
        "Distance to the optimum", CAPTIONS["summary"], frame, shown, f"{FOLDER}/summary.csv"
    )


def _differences(frame: pd.DataFrame, keys: list[Column], baseline: str) -> dict[str, Any]:
    ends = columns.ends("95 % t, paired", "low", "high", DIGITS, signed=True)
    shown = [
        *keys,
        columns.value(f"TV minus {baseline}'s", "difference", DIGITS, signed=True),
        columns.of_seeds(ends, "seeds"),
        columns.of_seeds(columns.p_value("p (Holm)", "p_holm"), "seeds"),
        columns.positive("Seeds > 0", "seeds"),
        columns.of_seeds(columns.needed("seeds"), "seeds"),
    ]
    title = f"Differences to {baseline}"
    return table(title, CAPTIONS["differences"], frame, shown, f"{FOLDER}/differences.csv")


def _samples(frame: pd.DataFrame, names: Mapping[str, str], *, named: bool) -> dict[str, Any]:
    """A row a run of the first seed: its samples before and after; of named targets, the first of each
    split."""
    own = frame[frame["seed"] == frame["seed"].min()]
    run = ["method", "reference", "beta", "split", "target"]
    rows = []
    for values, drawn in own.groupby(run, sort=False):
        by_time = {
            when: ", ".join(map(_sample, part.sort_values("sample").to_dict("records")))
            for when, part in drawn.groupby("when")
        }
        scores = drawn[drawn["when"] == "after"]["score"]
        rows.append(dict(zip(run, values, strict=True)) | by_time | {"score": scores.mean()})
    listed = pd.DataFrame(rows)
    if named:
        listed = listed.drop_duplicates(["method", "reference", "beta", "split"])
    shown = [
        columns.method("Method", names),
        Column("Reference", lambda row: row["reference"], numeric=False),
        Column("β", lambda row: f"{row['beta']:g}", "beta"),
        Column("Target", lambda row: f"{row['target']}", "target"),
        *([Column("Of the", lambda row: SPLITS[row["split"]], numeric=False)] if named else []),
        Column("Before", lambda row: row["before"], numeric=False),
        Column("After", lambda row: row["after"], numeric=False),
        columns.value("Mean score after", "score", DIGITS),
    ]
    return table("Samples", SAMPLES, listed, shown, f"{GATHERED}/samples.parquet")


def _sample(row: Mapping[str, Any]) -> str:
    # None where no sample at all is a number.
    if not pd.isna(row["number"]):
        return f"{row['number']:.0f}"
    text = row["text"]
    cut = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
    return f"“{cut}”"


def _estimator(row: Mapping[str, Any]) -> str | None:
    return None if not_a_number(row["estimator"]) else row["estimator"]


def _reached(row: Mapping[str, Any]) -> str:
    return f"{row['seeds_reached_share'] * row['seeds']:.0f} of {row['seeds']:.0f}"
