"""The report section of the link-robustness study: facts, findings, captions, tables."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from prefgrid.figures.style import display_name
from prefgrid.report import facts
from prefgrid.report.blocks import Column, figure, interval, number, table
from prefgrid.statistics.reference import Reference
from prefgrid.statistics.verdict import link_finding, shift_finding

QUESTION = (
    "Which learner keeps its reward at a given KL when human preferences do not follow the "
    "logistic link that DPO assumes?"
)

# In reading order: name of the figure file → (title, how to read it).
FIGURES = {
    "reference_rewards": (
        "Where learning starts",
        "Rewards of the reference's own responses to the training prompts. Gains everywhere in this "
        "section are in units of their standard deviation on the evaluation prompts.",
    ),
    "frontier": (
        "Reward against KL",
        "Each policy is decoded with a range of weights β, from close to the reference (left) to "
        "beyond the trained policy (right); higher at the same KL is better. Below: the same "
        "curves minus the baseline's, paired by seed. Bands go from the lowest to the highest seed "
        "and are no confidence interval. The dashed oracle is an estimate from reference samples "
        "alone, drawn only as far as its mean effective sample size is at least 10; learners may "
        "cross it by noise. What the scan's random numbers add to the reference's own "
        "rewards is subtracted, so that all curves start at the reference.",
    ),
    "robustness": (
        "Reward at one KL against the link's shift",
        "Thin lines: 95 % Student t intervals over training seeds, which speak about the method and "
        "are wide with few seeds. Thick lines: 95 % over evaluation prompts, given these very "
        "policies. The right panel is the one to compare methods by: a method differs from the "
        "baseline only where its thin and its thick line leave zero, and then only if p (Holm) in "
        "the table of differences is below 0.05. A cross marks a cell whose scan does not contain "
        "this KL.",
    ),
    "convergence": (
        "Reward against the number of preference pairs",
        "The same reward for growing training sets, each a prefix of the next; marks as above, "
        "shifted sideways to stay apart.",
    ),
    "calibration": (
        "Learned and true link",
        "The index t is what a policy says about a pair; its scale carries no meaning, so it is "
        "shown in its own standard deviations. A calibrated link (coloured) runs through the dots, "
        "the true probability averaged over bins of t. The dots are flatter than the true "
        "link (dashed) where the index is noisy. ECE: expected calibration error.",
    ),
    "training": (
        "Training curves",
        "Losses of different objectives are on different scales and cannot be compared. The "
        "log-ratio of chosen responses often falls below zero: the loss only asks for a margin "
        "between chosen and rejected, so this alone is no sign of trouble.",
    ),
}


def section(
    spec: Mapping[str, Any],
    figures: Mapping[str, Path],
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    calibration: pd.DataFrame,
    runs: pd.DataFrame,
    reference: Reference,
    samples: dict[str, Any] | None,
) -> dict[str, Any]:
    """The study's section. `spec` keys: methods, seeds, shifts, n, link_temperature, kappa,
    baseline, trainings (pairs of labels trained alike and their training in words), facts (further
    (label, value) rows, for instance models and data)."""
    names = {method: display_name(method) for method in spec["methods"]}
    # An empty reason is read back from CSV as a missing value.
    summary = summary.fillna({"missing": ""})
    baseline = spec["baseline"]
    findings = [
        shift_finding(shift, summary, differences, names, baseline)
        for shift in sorted(summary["shift"].unique())
    ]
    link = link_finding(
        runs, summary, reference.reward_sd, baseline, names.get(baseline, baseline), spec["kappa"]
    )
    return {
        "id": "link-robustness",
        "title": "Link robustness",
        "question": QUESTION,
        "facts": [*facts.rows(spec, names, reference), *(tuple(fact) for fact in spec["facts"])],
        "findings": [asdict(finding) for finding in [*findings, *([link] if link else [])]],
        "figures": [
            figure(title, caption, figures[name])
            for name, (title, caption) in FIGURES.items()
            if name in figures
        ],
        "tables": [
            _summary_table(summary, names, spec["kappa"]),
            *([_difference_table(differences, names, baseline)] if len(differences) else []),
            _calibration_table(calibration, names),
        ],
        "samples": samples,
    }


def _key_columns(names: Mapping[str, str]) -> list[Column]:
    return [
        Column("Method", lambda row: names[row["method"]], numeric=False),
        Column("Shift", lambda row: f"{row['shift']:g}", "shift"),
        Column("n", lambda row: f"{row['n']:,}", "n"),
    ]


def _summary_table(
    summary: pd.DataFrame, names: Mapping[str, str], kappa_nats: float
) -> dict[str, Any]:
    def scanned(row: dict[str, Any]) -> str | None:
        ends = number(row["kl_scanned_low"]), number(row["kl_scanned_high"])
        return None if None in ends else f"{ends[0]} – {ends[1]}"

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
        Column("KL scanned by all seeds", scanned, "kl_scanned_high"),
        Column(
            "Seeds", lambda row: f"{row['seeds']} of {row['seeds'] + row['seeds_missing']}", "seeds"
        ),
    ]
    if (summary["missing"] != "").any():
        columns.append(Column("Why missing", lambda row: row["missing"] or "–", numeric=False))
    caption = (
        "Reward is in the reward model's unit, after subtracting what the scan's random numbers add "
        "to the reference's; gain is (reward − reference) / reference sd, and "
        "both intervals are of the gain. A run whose scan does not contain the KL is missing, "
        "never extrapolated."
    )
    return table("Reward at one KL", caption, summary, columns, "summary.csv")


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
        Column("p", lambda row: _p_value(row, "p_seeds"), "p_seeds"),
        Column("p (Holm)", lambda row: _p_value(row, "p_seeds_holm"), "p_seeds_holm"),
        Column(
            "95 % over prompts, conditional on the seeds",
            lambda row: _prompt_interval(row, "difference_sd"),
            "difference_sd_prompts_low_given_seeds",
        ),
        Column("Seeds", lambda row: str(row["seeds"]), "seeds"),
    ]
    caption = (
        f"Paired with {names[baseline]}: by seed for the t interval and p values, by prompt for the "
        "last interval. Holm's correction covers all comparisons of the same n."
    )
    return table(
        f"Differences to {names[baseline]}", caption, differences, columns, "differences.csv"
    )


def _calibration_table(calibration: pd.DataFrame, names: Mapping[str, str]) -> dict[str, Any]:
    def plain(label: str, name: str, digits: int = 3) -> Column:
        return Column(label, lambda row: number(row[name], digits), name)

    columns = [
        *_key_columns(names),
        plain("Spearman(t,\u00a0u)", "spearman"),
        plain("Pearson(t,\u00a0u)", "pearson"),
        plain("Pair accuracy", "pair_accuracy"),
        plain("ECE of the link", "calibration_error"),
        plain("Mean |t| (nats)", "index_abs_mean_nats", 2),
        plain("sd(t) (nats)", "index_sd_nats", 2),
        Column("Seeds", lambda row: str(row["seeds"]), "seeds"),
    ]
    caption = (
        "Held-out pairs, means over seeds. Spearman does not depend on the index's scale; pair "
        "accuracy is the share of pairs the index orders as the reward model does."
    )
    return table("Index calibration", caption, calibration, columns, "calibration.csv")


def _seed_interval(row: dict[str, Any], name: str) -> str | None:
    if row["seeds"] == 1:
        return "one seed"
    return interval(row[f"{name}_seeds_low"], row[f"{name}_seeds_high"], signed=True)


def _prompt_interval(row: dict[str, Any], name: str) -> str | None:
    ends = (row[f"{name}_prompts_{end}_given_seeds"] for end in ("low", "high"))
    return interval(*ends, signed=True)


def _p_value(row: dict[str, Any], name: str) -> str | None:
    if row["seeds"] == 1:
        return "one seed"
    return number(row[name], 3)
