"""The report section of the link-robustness study: facts, findings, captions."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from prefgrid.figures.style import display_name
from prefgrid.report import evidence
from prefgrid.report.blocks import figure
from prefgrid.statistics.reference import Reference
from prefgrid.studies.link_robustness import facts
from prefgrid.studies.link_robustness.findings import link_finding, shift_finding
from prefgrid.studies.link_robustness.tables import tables

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
        "are wide with few seeds. Thick lines: 95 % bootstrap intervals over evaluation prompts, given "
        "these very policies. The right panel is the one to compare methods by: a method differs from the "
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
    identifiability: pd.DataFrame,
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
        "facts": [
            *facts.rows(spec, names, reference),
            *(tuple(fact) for fact in spec["facts"]),
        ],
        "findings": [
            evidence.finding(identifiability),
            *(asdict(finding) for finding in [*findings, *([link] if link else [])]),
        ],
        "figures": [
            figure(title, caption, figures[name])
            for name, (title, caption) in FIGURES.items()
            if name in figures
        ],
        "tables": tables(
            names, baseline, spec["kappa"], summary, differences, calibration, identifiability
        ),
        "samples": samples,
    }
