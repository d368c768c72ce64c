"""The tables of the report section of the link-robustness study."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from prefgrid.report import columns
from prefgrid.report.blocks import Column, number, table
from prefgrid.report.evidence import evidence_table
from prefgrid.studies.at_kl import rows_at

FOLDER = "link_robustness/tables"
# A table's file → what it says and how to read it.
CAPTIONS = {
    "summary": (
        "Reward is in the reward model's unit, after subtracting what the scan's random numbers add "
        "to the reference's; gain is (reward − reference) / reference sd, and both intervals are of "
        "the gain: those over seeds are conditional on the evaluation prompts and their noise. The "
        "mean gain is the area under the frontier over √KL divided by its width, up to the one KL that "
        "every run of this table which reaches the KL of comparison reaches. A run whose scan does not contain the KL is missing, never "
        "extrapolated."
    ),
    "differences": (
        "Paired with the baseline: by seed for the t interval and p values, by prompt for the last "
        "interval. A method differs only if p (Holm) is below 0.05 and the interval over prompts "
        "excludes 0. Holm's correction covers this whole table, all shifts and n; the intervals are "
        "not corrected. Seeds needed: for a paired t test to see a difference of this size and spread "
        "with probability 0.8, a rough guide; fewer than four seeds do not know the spread, and say "
        "nothing."
    ),
    "calibration": (
        "Held-out pairs, means over seeds. Spearman does not depend on the index's scale; pair "
        "accuracy is the share of pairs the index orders as the reward model does; its interval is "
        "conditional on the seeds, which share their pairs."
    ),
    "identifiability": (
        "Whether n labels can tell the true link from the best-rescaled logistic one; means over "
        "seeds. Same response twice: the share of the n pairs whose label is a coin toss, since there is "
        "nothing to prefer; `identical_responses` says whether they train."
    ),
    "runs": (
        "Reward at one KL of every run, freed of the noise that all scans share; empty where the "
        "scan does not reach that KL. Its interval is a bootstrap over the prompts of this one run."
    ),
}


def tables(
    names: Mapping[str, str],
    baseline: str,
    kappas_nats: Sequence[float],
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    calibration: pd.DataFrame,
    identifiability: pd.DataFrame,
) -> list[dict[str, Any]]:
    """In reading order, those of rewards once a KL; from the study's tables of the same names; `names`:
    label → display name."""
    cell = [columns.KEYS["shift"], columns.KEYS["n"]]
    method = columns.method("Method", names)

    def made(name: str, title: str, frame: pd.DataFrame, more: list[Column]) -> dict[str, Any]:
        shown = [method, *cell, *more]
        return table(title, CAPTIONS[name], frame, shown, f"{FOLDER}/{name}.csv")

    found = []
    for kappa_nats in kappas_nats:
        many = len(kappas_nats) > 1
        at = f"KL {kappa_nats:g}"
        own, gaps = (rows_at(frame, kappa_nats) for frame in (summary, differences))
        title = f"Reward at {at if many else 'one KL'}"
        found.append(made("summary", title, own, _summary(own, kappa_nats)))
        if len(gaps):
            title = f"Differences to {names[baseline]}" + (f" at {at}" if many else "")
            found.append(made("differences", title, gaps, _differences(names[baseline])))
    labels = evidence_table(
        identifiability,
        CAPTIONS["identifiability"],
        cell,
        f"{FOLDER}/identifiability.csv",
        [Column("Same response twice", _identical, "identical_share")],
    )
    return [*found, labels, made("calibration", "Index calibration", calibration, _calibration())]


def _summary(summary: pd.DataFrame, kappa_nats: float) -> list[Column]:
    # All rows that have one have the same; NaN without any.
    end = number(float(summary["area_kl_high"].max()))
    found = [
        columns.value(f"Reward at KL {kappa_nats:g}", "reward", 3),
        columns.value("Gain (sd)", "gain_sd", signed=True),
        *_intervals("gain_sd"),
        columns.value(f"Mean gain, KL 0 to {end or '–'}", "mean_gain_sd", signed=True),
        columns.SEEDS,
    ]
    if (summary["missing"] != "").any():
        found.append(Column("Why missing", lambda row: row["missing"] or "–", numeric=False))
    return found


def _differences(baseline: str) -> list[Column]:
    over_seeds, over_prompts = _intervals("difference_sd")
    return [
        columns.value(f"Minus {baseline} (sd)", "difference_sd", 3, signed=True),
        over_seeds,
        columns.of_seeds(columns.p_value("p", "p_seeds"), "seeds"),
        columns.of_seeds(columns.p_value("p (Holm)", "p_seeds_holm"), "seeds"),
        over_prompts,
        columns.positive("Seeds above", "seeds"),
        columns.of_seeds(columns.needed("seeds"), "seeds"),
    ]


def _identical(row: dict[str, Any]) -> str:
    return f"{row['identical_share']:.1%}"


def _calibration() -> list[Column]:
    def error(row: dict[str, Any]) -> str:
        return number(row["calibration_error"], 3) or "no link"

    accuracy = ("pair_accuracy_low", "pair_accuracy_high")
    return [
        columns.value("Spearman(t,\u00a0u)", "spearman", 3),
        columns.value("Pair accuracy", "pair_accuracy", 3),
        columns.ends("95 % Wilson over pairs", *accuracy, 3),
        Column("ECE of the link", error, "calibration_error"),
        columns.value("Mean |t| (nats)", "index_abs_mean_nats"),
        columns.value("sd(t) (nats)", "index_sd_nats"),
        Column("Seeds", lambda row: str(row["seeds"]), "seeds"),
    ]


def _intervals(name: str) -> tuple[Column, Column]:
    """Over seeds, and over prompts."""
    seeds, prompts = (
        columns.ends(label, name.format("low"), name.format("high"), signed=True)
        for label, name in (
            ("95 % t over seeds", f"{name}_seeds_{{}}"),
            ("95 % over prompts, conditional on the seeds", f"{name}_prompts_{{}}_given_seeds"),
        )
    )
    return columns.of_seeds(seeds, "seeds"), prompts
