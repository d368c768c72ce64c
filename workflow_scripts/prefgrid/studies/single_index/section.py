"""The report section of the single-index study: facts, findings, figures, tables."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefgrid.figures.style import display_name
from prefgrid.files.reading import read_table
from prefgrid.report import blocks, evidence
from prefgrid.studies.at_kl import rows_at
from prefgrid.studies.single_index import facts, tables
from prefgrid.studies.single_index.figures.cells import shown
from prefgrid.studies.single_index.findings import effect_finding, family_finding, shift_finding
from prefgrid.studies.single_index.names import ORACLE

READS = ("summary", "differences", "identifiability", "runs")
# seeds: how many. trainings: pairs of labels trained alike and their training in words. facts:
# further (label, value) rows.
USES = ("methods", "seeds", "shifts", "tau", "n", "kappas", "baseline", "trainings", "facts")
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


def section(
    files: Mapping[str, list[Path]], figures: Mapping[str, Path], spec: Mapping[str, Any]
) -> dict[str, Any]:
    """The study's section, from the files that READS names and the settings that USES names.

    figures: name → SVG; `spec["figures"]`: their modules, in reading order. `summary` has one row a
    cell, the oracle's under the method "oracle". `differences`: tables of `contrasts.paired`, of every
    method to the baseline and, with another `baseline`, of variants of one learner. Findings are of
    the largest n and the smallest τ; the tables have all.
    """
    summary, differences, identifiability, runs = (read_table(*files[name]) for name in READS)
    names = {method: display_name(method) for method in spec["methods"]} | {ORACLE: "Oracle"}
    baseline, kappa_nats = spec["baseline"], spec["kappas"][0]
    cell, words = shown(rows_at(summary, kappa_nats))
    n, tau = cell["n"].iloc[0], cell["tau"].iloc[0]
    # Not `shown` of each: a baseline alone has no differences.
    cell_differences, cell_identifiability, cell_runs = (
        table[(table["n"] == n) & (table["tau"] == tau)]
        for table in (
            rows_at(differences, kappa_nats),
            identifiability,
            rows_at(runs, kappa_nats),
        )
    )
    findings = [
        evidence.finding(cell_identifiability),
        *(
            shift_finding(shift, cell, cell_differences, names, baseline, kappa_nats)
            for shift in sorted(cell["shift"].unique())
        ),
        effect_finding(cell_runs, spec["methods"], names, baseline, kappa_nats),
        family_finding(cell_differences, names, baseline),
    ]
    return {
        "id": "single-index",
        "title": "Single index",
        "question": QUESTION,
        "how": HOW,
        "facts": [*facts.rows(spec, names, words), *map(tuple, spec["facts"])],
        "findings": [asdict(finding) for finding in findings if finding],
        "figures": blocks.figures(figures, spec["figures"]),
        "tables": tables.tables(spec, summary, differences, identifiability, names),
        "samples": None,
    }
