"""What a fetched model is rehearsed with: exactly what this run's studies do with it."""

from collections.abc import Iterable
from typing import Any

from prefgrid.studies.base import Wiring


def specs(config: Any, studies: Iterable[Wiring]) -> dict[str, dict[str, Any]]:
    """Model, base, reward and judges/<label>, → {trainings, judges, prompt_format, text_tokens}.

    trainings: distinct {precision, targets, gradient_checkpointing} of what is trained on the base
    (targets "all-weights": without an adapter); first that of sampling and scoring, which trains
    nothing (targets null). judges: distinct {judge, options} that ask the model. text_tokens: the most
    of a prompt's own text and a response together.
    """
    studies = list(studies)
    trained = []
    if config.reference.sft is not None:
        trained.append(config.training_of(config.reference.sft.training).model_dump())
    trained += [training for study in studies for training in study.trainings()]
    sampling = {
        "precision": config.training.precision,
        "targets": None,
        "gradient_checkpointing": False,
    }
    trainings = {"base": [sampling, *map(_in_short, trained)], "reward": []}
    further = config.hub.models.judges if config.hub else ()
    trainings |= {f"judges/{label}": [] for label in further}
    asked = [judge for study in studies for judge in study.asked()]
    judges = {
        name: [
            {"judge": judge.module, "options": judge.all_options}
            for judge in asked
            if judge.model == name.removeprefix("judges/")
        ]
        for name in trainings
    }
    return {
        name: {
            "trainings": _distinct(trainings[name]),
            "judges": _distinct(judges[name]),
            "prompt_format": config.prompt_format,
            "text_tokens": config.max_prompt_tokens + config.max_response_tokens,
        }
        for name in trainings
    }


def asks(spec: dict[str, Any]) -> bool:
    """Whether a model with this one of `specs` has a part in the run."""
    return bool(spec["trainings"] or spec["judges"])


def _in_short(training: dict[str, Any]) -> dict[str, Any]:
    return {
        "precision": training["precision"],
        "targets": training["lora"]["targets"] if training["lora"] else "all-weights",
        "gradient_checkpointing": training["gradient_checkpointing"],
    }


def _distinct(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for entry in entries:
        if entry not in found:
            found.append(entry)
    return found
