"""The report section of the soft-policy study: facts, findings, figures, tables."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefgrid.figures.style import display_name
from prefgrid.files.reading import read_table
from prefgrid.report import blocks
from prefgrid.studies.soft_policy import facts, failures, findings, tables
from prefgrid.studies.soft_policy.looks import looks

READS = ("summary", "differences", "evaluations", "samples")
# many: null, or how many targets are named in the prompt. recipes: pairs of a label and how it is trained.
# facts: further (label, value) rows.
USES = (
    "methods",
    "baseline",
    "seeds",
    "references",
    "targets",
    "many",
    "betas",
    "task",
    "recipes",
    "facts",
)
QUESTION = "Does soft-Q regression reach the policy that maximises E[r] − β·KL, where that policy is known exactly?"
HOW = (
    "The task is to write one whole number, the nearer to a target the better. There are few answers, so "
    "the optimal policy π* = π_ref·exp((r − Q₀)/β) and every measure of a trained policy are exact sums "
    "over all of them, with whatever is no answer as one more. Responses are drawn while the policy "
    "trains: uniformly from the answers, from the policy itself, or both. What varies between seeds is what "
    "is drawn, and the first weights of an adapter."
)


def section(
    files: Mapping[str, list[Path]], figures: Mapping[str, Path], spec: Mapping[str, Any]
) -> dict[str, Any]:
    """The study's section, from the files that READS names and the settings that USES names.

    figures: name → SVG; `spec["figures"]`: their modules, in reading order.
    """
    summary, differences, evaluations, samples = (read_table(*files[name]) for name in READS)
    names = {method: display_name(method) for method in spec["methods"]}
    recipes = dict(spec["recipes"])
    summary = tables.in_order(summary, spec)
    runs = looks(evaluations, spec["many"])
    kept = runs[runs["kept"]]
    found = [
        *findings.reached_findings(summary, names, spec["baseline"]),
        findings.published_finding(kept, summary),
        failures.failure_finding(summary, recipes, spec["task"], names),
        failures.estimate_warning(summary, names),
    ]
    trained = len(kept[["method", "reference", "beta", "target", "seed"]].drop_duplicates())
    return {
        "id": "soft-policy",
        "title": "Soft policy",
        "question": QUESTION,
        "how": HOW,
        "facts": [*facts.rows(spec, names, trained), *map(tuple, spec["facts"])],
        "findings": [asdict(finding) for finding in found if finding],
        "figures": blocks.figures(figures, spec["figures"]),
        "tables": tables.tables(spec, summary, differences, samples, names),
        "samples": None,
    }
