"""What the report says about a run, beyond its grid and its training."""

from typing import Any

from prefgrid.studies.words import precision_name


def facts(config: Any, study: Any) -> list[list[str]]:
    """[label, value] rows, of the whole config and the study's section."""
    evaluation = study.evaluation
    count = evaluation.samples
    responses = "one response" if count == 1 else f"{count} responses"
    sampling = precision_name(config.training.precision)
    judging = precision_name(config.judges[study.judge].all_options.get("precision", "none"))
    return [
        ["World", config.world],
        ["Evaluation", f"{evaluation.prompts} held-out prompts, {responses} to each at every β"],
        ["Scanned β", ", ".join(f"{beta:g}" for beta in sorted(evaluation.beta_grid))],
        ["Precision", f"reference {sampling}, reward model {judging}"],
    ]
