"""Preference models as artifacts of all studies: what each is trained from."""

from typing import Any

from prefgrid.files import cells
from prefgrid.files.shared import COMPARISONS
from prefgrid.studies import training_spec
from prefgrid.studies.base import MODELS, Step, manifest, model_weights


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
