"""The report section of the study of pairwise judges: facts, findings, figures, tables."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefgrid.files.reading import read_table
from prefgrid.report import blocks
from prefgrid.studies.pairwise_judges import facts, findings, tables
from prefgrid.studies.pairwise_judges.names import display_name

READS = ("summary", "differences", "sections")
# judges: all labels, those of preference_models first. recipes: pairs of such a label and how it is made.
# samples: null, or prompts and responses.
USES = (
    "judges",
    "preference_models",
    "baseline",
    "comparisons",
    "seeds",
    "measure_on",
    "samples",
    "recipes",
)
QUESTION = "Who judges responses rightly, and what can no score of a response say?"
HOW = (
    "Every judge gives a logit l_ij that response i, shown first, beats j; its verdict is that of "
    "(l_ij − l_ji)/2. A Bradley–Terry model gives each response a score, so its logits are differences of "
    "scores and run in no circles. A general preference model (GPM) gives it an embedding, and the logit is "
    "a skew product of two. Both are trained here, on each set of comparisons, and judged beside others on "
)
# By `measure_on`.
MEASURED_ON = {
    "test": "comparisons of prompts that trained nothing.",
    "train": "the comparisons that they were trained on.",
}


def section(
    files: Mapping[str, list[Path]], figures: Mapping[str, Path], spec: Mapping[str, Any]
) -> dict[str, Any]:
    """The study's section, from the files that READS names and the settings that USES names.

    figures: name → SVG; `spec["figures"]`: their modules, in reading order.
    """
    summary, differences, sections = (read_table(*files[name]) for name in READS)
    # An empty section is read back from CSV as a missing value.
    sections = sections.fillna({"section": ""})
    names = {label: display_name(label) for label in spec["judges"]}
    models, baseline = spec["preference_models"], spec["baseline"]
    dimensions = {label: recipe["dimension"] for label, recipe in spec["recipes"]}
    found = [
        *findings.of_sets(summary, differences, names, models, baseline),
        findings.of_circles(summary, names, spec["samples"]),
        findings.of_order(summary, names),
        findings.trapped(summary, differences, names, dimensions),
    ]
    return {
        "id": "pairwise-judges",
        "title": "Pairwise judges",
        "question": QUESTION,
        "how": HOW + MEASURED_ON[spec["measure_on"]],
        "facts": facts.rows(spec, names),
        "findings": [asdict(finding) for finding in found if finding],
        "figures": blocks.figures(figures, spec["figures"]),
        "tables": tables.tables(spec, summary, differences, sections, names),
        "samples": None,
    }
