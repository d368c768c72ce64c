"""What others' programs take of the self-play study, on request, and what each is made from."""

from dataclasses import replace
from typing import Any

from prefgrid.studies.step import Step


def files(targets: Step, *, scores: bool) -> Step:
    """The published files of an iteration, from the Step of its targets. scores: of a method that learns from
    scores, whose columns of probabilities hold these."""
    spec = {name: targets.spec[name] for name in ("targets", "selection")}
    return replace(targets, spec={**spec, "scores": scores})


def alpaca_config(wiring: Any, name: str, precision: str) -> Step:
    """AlpacaEval's entry of a policy, decoded as its held-out samples are.

    name: the policy's cell as one folder, with commas for slashes; no value of a cell has any. precision: what
    the weights are held in.
    """
    cell, evaluation = name.replace(",", "/"), wiring.study.evaluation
    return Step(
        {"policy": f"{wiring.root}/exports/{cell}/manifest.json"},
        {
            "prompt_format": wiring.config.prompt_format,
            "precision": precision,
            "max_new_tokens": evaluation.max_new_tokens,
            "temperature": evaluation.temperature,
            "top_p": 1.0,
        },
    )
