"""The report section of the single-index study: facts, findings, captions, tables."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from prefgrid.figures.style import display_name
from prefgrid.report import evidence
from prefgrid.report.blocks import figure
from prefgrid.studies.single_index import facts, tables
from prefgrid.studies.single_index.figures.cells import shown
from prefgrid.studies.single_index.findings import effect_finding, family_finding, shift_finding
from prefgrid.studies.single_index.names import ORACLE

QUESTION = (
    "Which learner keeps its reward at a given KL when preferences do not follow the logistic link, "
    "in a world small enough that nothing but the seed is random?"
)
HOW = (
    "A teacher network scores the actions of a random context, pairs of actions are labelled through "
    "the preference link, and a student network of the same shape is trained by the same objective "
    "code that trains language models. The actions can be listed, so reward and KL at every β are "
    "exact sums: there is no sampling noise, and the reward at one KL is found by bisection over β. "
    "What remains is chance in the seed: teacher, contexts, labels, first weights and order of the "
    "pairs. Methods of one seed share teacher and labels, so they are compared by seed."
)

# In reading order: name of the figure file → (title, how to read it).
FIGURES = {
    "robustness": (
        "Reward at one KL against the link's shift",
        "Above: means over seeds, with intervals that are wide because every seed has a teacher of its "
        "own, whose rewards differ. Compare methods below, where each seed's difference to the "
        "baseline is taken first. The oracle is the true reward itself, scanned as a method is: no "
        "learner can lie above it in any seed.",
    ),
    "frontier": (
        "Reward against KL",
        "Each curve is one method's policy from the largest β, close to the reference (left), to the "
        "smallest (right). Curves are joined in √KL and averaged over seeds at equal KL, where every seed was "
        "scanned. Below: the differences to the baseline at equal KL, paired by seed. Marks "
        "only tell the curves apart; they are no scanned points.",
    ),
    "links": (
        "Learned and true link",
        "What each method takes the chance of a preference to be, against its own index t. The "
        "index's scale carries no meaning, so it is shown in its own standard deviations. The true link "
        "(dashed) is the mean of Ψ(u) over held-out pairs near that index; it is flatter than Ψ itself "
        "where the index is noisy. A hinge loss has no link.",
    ),
    "correlation": (
        "How well the index orders pairs",
        "Neither measure depends on the scale of the index, which the β scan leaves free, or on a "
        "link. Order that is lost here is reward that no choice of β brings back.",
    ),
}


def section(
    spec: Mapping[str, Any],
    figures: Mapping[str, Path],
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    identifiability: pd.DataFrame,
    runs: pd.DataFrame,
) -> dict[str, Any]:
    """The study's section.

    `spec` keys: methods, seeds (how many), shifts, tau, n, kappa, baseline, trainings (pairs of labels
    trained alike and their training in words), facts (further (label, value) rows).
    `summary`, one row a cell, the oracle's under the method "oracle": `method, shift, tau, n, seeds,
    seeds_missing, reward, reward_low, reward_high, index_correlation, index_correlation_low,
    index_correlation_high, pair_accuracy`. `differences`: tables of `contrasts.paired` of the reward
    with groups `shift, tau, n`, of every method to the baseline and, with another `baseline`, of
    variants of one learner. `identifiability`: a table of `identifiability.table`, with a column
    `tau` too. `runs`: `method, seed, shift, tau, n, reward`. Findings are of the largest n and
    the smallest τ; the tables have all.
    """
    names = {method: display_name(method) for method in spec["methods"]} | {ORACLE: "Oracle"}
    baseline, kappa_nats = spec["baseline"], spec["kappa"]
    cell, words = shown(summary)
    n, tau = cell["n"].iloc[0], cell["tau"].iloc[0]
    # Not `shown` of each: a baseline alone has no differences.
    cell_differences, cell_identifiability, cell_runs = (
        table[(table["n"] == n) & (table["tau"] == tau)]
        for table in (differences, identifiability, runs)
    )
    findings = [
        shift_finding(shift, cell, cell_differences, names, baseline, kappa_nats)
        for shift in sorted(cell["shift"].unique())
    ]
    more = (
        effect_finding(cell_runs, spec["methods"], names, baseline, kappa_nats),
        family_finding(cell_differences, names, baseline),
    )
    return {
        "id": "single-index",
        "title": "Single index",
        "question": QUESTION,
        "how": HOW,
        "facts": [
            *facts.rows(spec, names, words),
            *(tuple(fact) for fact in spec["facts"]),
        ],
        "findings": [
            evidence.finding(cell_identifiability),
            *(asdict(finding) for finding in (*findings, *more) if finding),
        ],
        "figures": [
            figure(title, caption, figures[name])
            for name, (title, caption) in FIGURES.items()
            if name in figures
        ],
        "tables": tables.tables(spec, summary, differences, identifiability, names),
        "samples": None,
    }
