"""The tables of the report's section of pairwise judges."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from prefgrid.report import columns
from prefgrid.report.blocks import Column, table

FOLDER = "pairwise_judges/tables"
DIGITS = 3
# A table's file → what it says and how to read it.
CAPTIONS = {
    "summary": (
        "Each judge on each set; a trained model on the one that it was trained on. Accuracy: share of "
        "comparisons whose likelier side is preferred, ties ½ (strict: 0), with Wilson's interval, which takes "
        "comparisons as independent. Best: what no judge can exceed, and of scores: what no scalar can; of drawn "
        "labels both in expectation by their true probabilities, a dash where nobody knows these. Log-loss in "
        "nats; ln 2 = 0.693 says nothing. T divides the logits; it is fitted on comparisons of other prompts than "
        "what is calibrated, and a dash where no T fits: all were right, or no better than chance. ECE: expected "
        "calibration error. |P − P̂|: to known probabilities, where there are such. Antisymmetric: by "
        "construction l_ij = −l_ji. Turns: verdicts that change with the order of showing. Length: rank "
        "correlation of logit and difference in characters. Circles: share of circular triples among sampled "
        "responses; chance is 0.25."
    ),
    "differences": (
        "Accuracy minus the baseline's on the same comparisons, means over seeds, paired by prompt, since "
        "comparisons of one prompt are not independent; for the models as they were trained. Holm's correction "
        "covers all of the table."
    ),
    "sections": (
        "Accuracy by section, and where a set is a benchmark its published scores: RewardBench's sections by "
        "its weights and their mean, ties wrong, RewardBench 2's best of four (the right response beats all others, ties "
        "shared) and its Ties score, for which a judge without scores gives each response its mean logit "
        "against the others."
    ),
    "reliability": (
        "Verdicts in bins of the winner's probability: how sure the judge is, and how often it is right."
    ),
}


def tables(
    spec: Mapping[str, Any],
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    sections: pd.DataFrame,
    names: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Summary, differences and sections, those of no rows left out; frames as in `pairwise_judges.section`."""
    keys = [
        columns.method("Judge", names, "judge"),
        Column("On", lambda row: row["on"], numeric=False),
    ]
    found = [_summary(summary, keys, several=len(spec["seeds"]) > 1)]
    if len(differences):
        found.append(_differences(differences, keys, names[spec["baseline"]]))
    if len(sections):
        found.append(_sections(sections, keys))
    return found


def _known(column: Column) -> Column:
    """A dash for what a judge or a set does not have."""
    return replace(column, text=lambda row: column.text(row) or "–")


def _summary(frame: pd.DataFrame, keys: list[Column], *, several: bool) -> dict[str, Any]:
    seed = Column(
        "Seed", lambda row: None if pd.isna(row["seed"]) else f"{row['seed']:.0f}", "seed"
    )
    value = columns.value
    shown = [
        *keys,
        *([_known(seed)] if several else []),
        value("Accuracy", "accuracy", DIGITS),
        columns.ends("95 % Wilson", "accuracy_low", "accuracy_high", DIGITS),
        value("Strict", "accuracy_strict", DIGITS),
        _known(value("Best", "accuracy_most", DIGITS)),
        _known(value("Best of scores", "accuracy_scalar_most", DIGITS)),
        value("Log-loss, raw", "log_loss_raw_nats", DIGITS),
        _known(value("Log-loss, calibrated", "log_loss_nats", DIGITS)),
        _known(value("T", "temperature", DIGITS)),
        value("ECE, raw", "calibration_error_raw", DIGITS),
        _known(value("ECE, calibrated", "calibration_error", DIGITS)),
        _known(value("|P − P̂|", "probability_error", DIGITS)),
        Column("Antisymmetric", lambda row: "yes" if row["antisymmetric"] else "no", numeric=False),
        value("Turns", "order_flipped_share", DIGITS),
        _known(value("Length", "length_spearman", DIGITS, signed=True)),
    ]
    if "circular_share" in frame:
        shown.append(_known(value("Circles", "circular_share", DIGITS)))
        ends = columns.ends("95 % t", "circular_share_low", "circular_share_high", DIGITS)
        shown.append(_known(ends))
    return table("Judges", CAPTIONS["summary"], frame, shown, f"{FOLDER}/summary.csv")


def _differences(frame: pd.DataFrame, keys: list[Column], baseline: str) -> dict[str, Any]:
    shown = [
        *keys,
        columns.value(f"Accuracy minus {baseline}'s", "difference", DIGITS, signed=True),
        _known(columns.ends("95 % t over prompts", "low", "high", DIGITS, signed=True)),
        _known(columns.p_value("p (Holm)", "p_holm")),
        Column("Prompts", lambda row: f"{row['prompts']:,}", "prompts"),
    ]
    title = f"Differences to {baseline}"
    return table(title, CAPTIONS["differences"], frame, shown, f"{FOLDER}/differences.csv")


def _sections(frame: pd.DataFrame, keys: list[Column]) -> dict[str, Any]:
    count = Column(
        "Of", lambda row: None if pd.isna(row["count"]) else f"{row['count']:,.0f}", "count"
    )
    shown = [
        *keys,
        Column("Section", lambda row: row["section"], numeric=False),
        Column("Measure", lambda row: row["measure"], numeric=False),
        columns.value("Value", "value", DIGITS),
        _known(columns.ends("95 % Wilson", "low", "high", DIGITS)),
        _known(count),
    ]
    return table("Sections", CAPTIONS["sections"], frame, shown, f"{FOLDER}/sections.csv")
