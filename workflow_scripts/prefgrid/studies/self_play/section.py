"""The report section of the self-play study: facts, findings, figures, tables."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefgrid.files.reading import read_table
from prefgrid.report import blocks
from prefgrid.studies.self_play import facts, findings, side_effects, tables

READS = ("iterations", "summary", "equal_kl", "best_of", "selected")
# rows: of the grid. trainings: pairs of methods trained alike and their training in words.
USES = (
    "rows",
    "methods",
    "baseline",
    "seeds",
    "iterations",
    "compat",
    "responses",
    "asked_prompts",
    "evaluation",
    "trainings",
)
QUESTION = "Does training on its own judged responses, again and again, raise a policy's win rate?"
HOW = (
    "In each iteration the policy answers prompts with several responses, a judge compares all of them, each "
    "response gets the probability that it wins against its opponent, and the policy is trained towards that, with "
    "itself as it was as the reference. After each iteration it answers held-out prompts; a judge that trained nothing "
    "compares the responses with those of the base and of earlier iterates. Iterates of different methods are at "
    "different distances from the base, so methods are compared at one KL."
)


def section(
    files: Mapping[str, list[Path]], figures: Mapping[str, Path], spec: Mapping[str, Any]
) -> dict[str, Any]:
    """The study's section, from the files that READS names and the settings that USES names.

    figures: name → SVG; `spec["figures"]`: their modules, in reading order.
    """
    iterations, summary, equal_kl, best_of, selected = (read_table(*files[name]) for name in READS)
    cells = findings.cells(iterations, summary)
    found = [
        *findings.against_the_base(cells, spec["rows"]),
        *findings.at_equal_kl(equal_kl, spec["baseline"]),
        side_effects.of_judges(cells),
        side_effects.of_length(cells),
        side_effects.of_classes(cells, spec["rows"]),
        findings.of_selection(selected),
    ]
    return {
        "id": "self-play",
        "title": "Self-play",
        "question": QUESTION,
        "how": HOW,
        "facts": facts.rows(spec),
        "findings": [asdict(finding) for finding in found if finding],
        "figures": blocks.figures(figures, spec["figures"]),
        "tables": tables.tables(spec, iterations, summary, equal_kl, best_of),
        "samples": None,
    }
