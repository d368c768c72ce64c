"""What a single-index study ran, in a few rows."""

from collections.abc import Mapping
from math import prod
from typing import Any

from prefgrid.report.words import compared_at, training_label, values
from prefgrid.studies.single_index.names import ORACLE


def rows(spec: Mapping[str, Any], names: Mapping[str, str], shown: str) -> list[tuple[str, str]]:
    """(label, value) rows: grid, link, training. `spec` as in `single_index.section`; `names`:
    label → display name; `shown`: the n and τ that figures and findings are of.
    """
    learners = {label: name for label, name in names.items() if label != ORACLE}
    runs = spec["seeds"] * prod(len(spec[key]) for key in ("methods", "shifts", "tau", "n"))
    return [
        ("Methods", ", ".join(learners.values())),
        ("Grid", f"{runs:,} runs, one a method × seed × shift × τ × n"),
        ("Seeds", f"{spec['seeds']:,}, numbered from 0"),
        ("Link", f"½σ((u − s)/τ) + ½σ((u + s)/τ), s = {values(spec['shifts'])}"),
        ("τ", values(spec["tau"])),
        ("Preference pairs", values(spec["n"])),
        ("Figures and findings", shown),
        ("Compared at", f"{compared_at(spec['kappas'])}, exact"),
        *(
            (training_label([names[label] for label in labels], len(learners)), words)
            for labels, words in spec["trainings"]
        ),
    ]
