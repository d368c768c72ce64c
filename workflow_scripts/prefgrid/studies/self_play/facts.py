"""What a study of self-play ran, in a few rows."""

from collections.abc import Mapping
from typing import Any

from prefgrid.report.words import training_label
from prefgrid.studies.self_play.names import display_name, judge_name


def rows(spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, value) rows; `spec` as in `self_play.section`."""
    asked, evaluation = spec["asked_prompts"], spec["evaluation"]
    prompts = (
        "all prompts" if asked["per_iteration"] is None else f"{asked['per_iteration']} prompts"
    )
    kind = "each of other prompts" if asked["parts"] == "disjoint" else "all of the same prompts"
    found = [
        *(
            (
                f"Trained by {judge_name(row['judge'])}",
                f"{', '.join(map(display_name, row['methods']))}; judged by {judge_name(row['held_out_judge'])}",
            )
            for row in spec["rows"]
        ),
        ("Iterations", f"{spec['iterations']}, {kind}"),
        ("An iteration", f"{spec['responses']} responses of the policy before to {prompts}"),
        (
            "Evaluation",
            f"{evaluation['samples']} responses of each policy to each of {evaluation['prompts']} held-out prompts",
        ),
        ("Seeds", ", ".join(map(str, spec["seeds"]))),
    ]
    if spec["compat"] != "fixed":
        found.append(("Sampling, targets, pairs and choice as published", spec["compat"]))
    found += [
        (training_label(list(map(display_name, alike)), len(spec["methods"])), words)
        for alike, words in spec["trainings"]
    ]
    return found
