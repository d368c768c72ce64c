"""Preference models as artifacts of all studies: what each is trained from."""

from collections.abc import Iterable
from typing import Any

from prefgrid.config import judging
from prefgrid.files import cells
from prefgrid.files.shared import COMPARISONS
from prefgrid.studies import training_spec
from prefgrid.studies.base import MODELS, Step, manifest, model_weights


def trainings(config: Any, labels: Iterable[str], asked: Iterable[Any]) -> list[dict[str, Any]]:
    """`training` of the models with these labels, and of those that the entries of `judges` in `asked` ask."""
    known = config.preference_models
    models = (judge.model for judge in asked if judge.model in known)
    return [
        config.training_of(known[label].training).model_dump()
        for label in dict.fromkeys((*labels, *models))
    ]


def sets(config: Any, labels: Iterable[str], asked: Iterable[Any]) -> dict[str, Any]:
    """Label → entry of `comparisons`, of these labels and of those that models of the judges in `asked` were
    trained on, a mixture's parts among them."""
    trained = (judging.trained_on(config, judge) for judge in asked)
    found: dict[str, Any] = {}
    left = [*labels, *filter(None, trained)]
    while left:
        label = left.pop(0)
        if label not in found:
            found[label] = config.comparisons[label]
            left += found[label].shares or ()
    return found


def step(config: Any, cell: str) -> Step:
    """What the model of `cell`, model=…/on=…/seed=…, is trained from; the config knows both
    labels."""
    axes = cells.values(cell)
    label, on, seed = (axes[name] for name in ("model", "on", "seed"))
    model = config.preference_models[label]
    start = f"{MODELS}/{model.start}"
    return Step(
        {"comparisons": f"{COMPARISONS}/{on}/train.jsonl", "start": manifest(start)},
        training_spec.of(
            {
                "shape": model.shape,
                "loss": model.loss,
                "margin": model.margin,
                "ptx": None if model.ptx is None else model.ptx.model_dump(),
                "anneal": None if model.anneal is None else model.anneal.model_dump(),
                "group_size": model.group_size,
                "max_prompt_tokens": model.max_prompt_tokens,
                "max_tokens": model.max_tokens,
                "prompt_format": config.prompt_format,
                "training": config.training_of(model.training).model_dump(),
            },
            seed,
        ),
        weights=[model_weights(start)],
    )
