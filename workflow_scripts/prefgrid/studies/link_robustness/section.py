"""The report section of the link-robustness study: facts, findings, figures, tables, responses."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefgrid.figures.style import display_name
from prefgrid.files import reading, records
from prefgrid.report import blocks, evidence
from prefgrid.report.samples import browser
from prefgrid.statistics.reference import summarise
from prefgrid.studies.at_kl import rows_at
from prefgrid.studies.link_robustness import facts, inputs
from prefgrid.studies.link_robustness.findings import link_finding, shift_finding
from prefgrid.studies.link_robustness.tables import tables

READS = (
    "summary",
    "differences",
    "calibration",
    "identifiability",
    "runs",
    "samples",
    "reference_samples",
    "eval_prompts",
)
# trainings: pairs of labels trained alike and their training in words. facts: further (label, value)
# rows, for instance models and data.
USES = (
    "methods",
    "seeds",
    "shifts",
    "n",
    "link_temperature",
    "kappas",
    "baseline",
    "trainings",
    "facts",
)
QUESTION = (
    "Which learner keeps its reward at a given KL when human preferences do not follow the "
    "logistic link that DPO assumes?"
)


def section(
    files: Mapping[str, list[Path]], figures: Mapping[str, Path], spec: Mapping[str, Any]
) -> dict[str, Any]:
    """The study's section, from the files that READS names and the settings that USES names.

    figures: name → SVG; `spec["figures"]`: their modules, in reading order.
    """
    summary, differences, calibration, identifiability, runs = (
        reading.read_table(*files[name]) for name in READS[:5]
    )
    # An empty reason is read back from CSV as a missing value.
    summary = summary.fillna({"missing": ""})
    reference_samples = inputs.reference_samples(files["reference_samples"])
    prompts = reading.read_jsonl(*files["eval_prompts"], records.Prompt, key="prompt_id")
    reference = summarise(reference_samples)
    names = {method: display_name(method) for method in spec["methods"]}
    baseline, kappas = spec["baseline"], spec["kappas"]
    at_first = [rows_at(table, kappas[0]) for table in (runs, summary, differences)]
    shown = names.get(baseline, baseline)
    findings = [
        evidence.finding(identifiability),
        *(
            shift_finding(shift, *at_first[1:], names, baseline)
            for shift in sorted(summary["shift"].unique())
        ),
        link_finding(*at_first[:2], reference.reward_sd, baseline, shown, kappas[0]),
    ]
    return {
        "id": "link-robustness",
        "title": "Link robustness",
        "question": QUESTION,
        "facts": [*facts.rows(spec, names, reference), *map(tuple, spec["facts"])],
        "findings": [asdict(finding) for finding in findings if finding],
        "figures": blocks.figures(figures, spec["figures"]),
        "tables": tables(
            names, baseline, kappas, summary, differences, calibration, identifiability
        ),
        "samples": browser(
            reading.read_table(*files["samples"]),
            reference_samples,
            {row["prompt_id"]: row["prompt"] for row in prompts},
            spec["methods"],
        ),
    }
