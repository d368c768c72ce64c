"""The tables of the report section of the link-robustness study."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from prefgrid.report import seed_cells
from prefgrid.report.blocks import Column, interval, number, table
from prefgrid.report.evidence import evidence_table

FOLDER = "link_robustness/tables"


def tables(
    names: Mapping[str, str],
    baseline: str,
    kappa_nats: float,
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    calibration: pd.DataFrame,
    identifiability: pd.DataFrame,
) -> list[dict[str, Any]]:
    """In reading order, from the study's tables of the same names; `names`: label → display name."""
    return [
        _summary_table(summary, names, kappa_nats),
        *([_difference_table(differences, names, baseline)] if len(differences) else []),
        evidence_table(identifiability, _key_columns(names)[1:], f"{FOLDER}/identifiability.csv"),
        _calibration_table(calibration, names),
    ]


def _key_columns(names: Mapping[str, str]) -> list[Column]:
    return [
        Column("Method", lambda row: names[row["method"]], numeric=False),
        Column("Shift", lambda row: f"{row['shift']:g}", "shift"),
        Column("n", lambda row: f"{row['n']:,}", "n"),
    ]


def _summary_table(
    summary: pd.DataFrame, names: Mapping[str, str], kappa_nats: float
) -> dict[str, Any]:
    def whole(row: dict[str, Any]) -> str | None:
        gain, end = number(row["mean_gain_sd"], signed=True), number(row["area_kl_high"])
        return None if None in (gain, end) else f"{gain} to KL {end}"

    columns = [
        *_key_columns(names),
        Column(f"Reward at KL {kappa_nats:g}", lambda row: number(row["reward"], 3), "reward"),
        Column("Gain (sd)", lambda row: number(row["gain_sd"], signed=True), "gain_sd"),
        Column(
            "95 % t over seeds", lambda row: _seed_interval(row, "gain_sd"), "gain_sd_seeds_low"
        ),
        Column(
            "95 % over prompts, conditional on the seeds",
            lambda row: _prompt_interval(row, "gain_sd"),
            "gain_sd_prompts_low_given_seeds",
        ),
        Column("Mean gain from KL 0", whole, "mean_gain_sd"),
        Column(
            "Seeds", lambda row: f"{row['seeds']} of {row['seeds'] + row['seeds_missing']}", "seeds"
        ),
    ]
    if (summary["missing"] != "").any():
        columns.append(Column("Why missing", lambda row: row["missing"] or "–", numeric=False))
    caption = (
        "Reward is in the reward model's unit, after subtracting what the scan's random numbers add "
        "to the reference's; gain is (reward − reference) / reference sd, and "
        "both intervals are of the gain. The mean gain is the area under the frontier over √KL, up to "
        "the KL that every compared run of this shift and n reaches. A run whose scan does not contain the KL "
        "is missing, never extrapolated."
    )
    return table("Reward at one KL", caption, summary, columns, f"{FOLDER}/summary.csv")


def _difference_table(
    differences: pd.DataFrame, names: Mapping[str, str], baseline: str
) -> dict[str, Any]:
    columns = [
        *_key_columns(names),
        Column(
            f"Minus {names[baseline]} (sd)",
            lambda row: number(row["difference_sd"], 3, True),
            "difference_sd",
        ),
        Column(
            "95 % t over seeds",
            lambda row: _seed_interval(row, "difference_sd"),
            "difference_sd_seeds_low",
        ),
        Column("p", lambda row: seed_cells.p_value(row["p_seeds"], row["seeds"]), "p_seeds"),
        Column(
            "p (Holm)",
            lambda row: seed_cells.p_value(row["p_seeds_holm"], row["seeds"]),
            "p_seeds_holm",
        ),
        Column(
            "95 % over prompts, conditional on the seeds",
            lambda row: _prompt_interval(row, "difference_sd"),
            "difference_sd_prompts_low_given_seeds",
        ),
        Column(
            "Seeds above",
            lambda row: seed_cells.positive(row["seeds_positive"], row["seeds"]),
            "seeds_positive",
        ),
        Column(
            "Seeds needed",
            lambda row: seed_cells.needed(row["seeds_needed"], row["seeds"]),
            "seeds_needed",
        ),
    ]
    caption = (
        f"Paired with {names[baseline]}: by seed for the t interval and p values, by prompt for the "
        "last interval. Holm's correction covers all comparisons of the same n. Seeds needed: for a "
        "paired t test to see a difference of this size and spread with probability 0.8; from few "
        "seeds, a rough guide."
    )
    return table(
        f"Differences to {names[baseline]}",
        caption,
        differences,
        columns,
        f"{FOLDER}/differences.csv",
    )


def _calibration_table(calibration: pd.DataFrame, names: Mapping[str, str]) -> dict[str, Any]:
    def plain(label: str, name: str, digits: int = 3) -> Column:
        return Column(label, lambda row: number(row[name], digits), name)

    columns = [
        *_key_columns(names),
        plain("Spearman(t,\u00a0u)", "spearman"),
        plain("Pair accuracy", "pair_accuracy"),
        Column(
            "95 % Wilson over pairs",
            lambda row: interval(row["pair_accuracy_low"], row["pair_accuracy_high"], 3),
            "pair_accuracy_low",
        ),
        Column(
            "ECE of the link",
            lambda row: number(row["calibration_error"], 3) or "no link",
            "calibration_error",
        ),
        plain("Mean |t| (nats)", "index_abs_mean_nats", 2),
        plain("sd(t) (nats)", "index_sd_nats", 2),
        Column("Seeds", lambda row: str(row["seeds"]), "seeds"),
    ]
    caption = (
        "Held-out pairs, means over seeds. Spearman does not depend on the index's scale; pair "
        "accuracy is the share of pairs the index orders as the reward model does; its interval is "
        "conditional on the seeds, which share their pairs."
    )
    return table("Index calibration", caption, calibration, columns, f"{FOLDER}/calibration.csv")


def _seed_interval(row: dict[str, Any], name: str) -> str | None:
    low, high = (row[f"{name}_seeds_{end}"] for end in ("low", "high"))
    return seed_cells.ends(low, high, row["seeds"], 2, signed=True)


def _prompt_interval(row: dict[str, Any], name: str) -> str | None:
    ends = (row[f"{name}_prompts_{end}_given_seeds"] for end in ("low", "high"))
    return interval(*ends, signed=True)
