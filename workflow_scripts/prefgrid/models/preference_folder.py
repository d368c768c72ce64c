"""Preference models as folders: of ours, which say all of their shape, and of published ones.

Ours is a causal language model's folder with `value_head.weight` [d, H], `prompt_head.weight` [d/2, H] where it
has a gate and `raw_temperature` where it learned one, all in its one weights file, and `preference_model` in
config.json. Published folders (GPM, arXiv 2410.02197) have the same names and shapes, often without an output layer
and in several files, and say nothing of gate, normalisation and temperature.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from torch import Tensor

from prefgrid.limits.preference_models import UNGATED
from prefgrid.models import checking
from prefgrid.models.loading import load_config, load_model, save_model
from prefgrid.models.preference import PreferenceModel, Shape

# In config.json.
ENTRY = "preference_model"
VALUE_HEAD, PROMPT_HEAD = "value_head.weight", "prompt_head.weight"
RAW_TEMPERATURE = "raw_temperature"
PARTS = (VALUE_HEAD, PROMPT_HEAD, RAW_TEMPERATURE)


def save_preference_model(folder: Path | str, model: PreferenceModel, tokenizer: Any) -> None:
    """Write the model, its adapter merged into it, with its tokenizer and then the manifest.

    The backbone must be a causal language model; it then is no longer `model`'s to train on.
    """
    backbone = model.backbone
    if hasattr(backbone, "merge_and_unload"):
        backbone = backbone.merge_and_unload()
    setattr(backbone.config, ENTRY, asdict(model.shape))
    with _as_parts_of(backbone, model):
        save_model(folder, backbone, tokenizer)


@contextmanager
def _as_parts_of(backbone: Any, model: PreferenceModel) -> Iterator[None]:
    """Within, the heads and the temperature are the backbone's own, and are written with it."""
    names = {name.partition(".")[0] for name in PARTS}
    parts = {name: getattr(model, name) for name in names if getattr(model, name) is not None}
    for name, part in parts.items():
        setattr(backbone, name, part)
    try:
        yield
    finally:
        for name in parts:
            delattr(backbone, name)


def load_preference_model(
    folder: Path | str, precision: str, overrides: Mapping[str, Any]
) -> PreferenceModel:
    """The model in `folder`, to be read: in evaluation mode, on the CPU, its decoder in the precision.

    overrides: dimension, gate, normalize and temperature, None where the folder's counts. ValueError
    naming what the folder lacks, or what in it does not fit, before the decoder's weights are read.
    """
    config = load_config(folder)
    parts = _parts(folder)
    width = config.get_text_config().hidden_size
    shape = _shape(folder, getattr(config, ENTRY, None), parts, overrides)
    _check_parts(folder, shape, parts, width)
    decoder = load_model(transformers.AutoModel, folder, precision)
    model = PreferenceModel(decoder, shape).requires_grad_(False)
    for name, part in parts.items():
        if name in model.state_dict():
            model.get_parameter(name).data.copy_(part)
    checking.check_finite(folder, model)
    return model.eval()


def _parts(folder: Path | str) -> dict[str, Tensor]:
    """What `PARTS` names, of all weights files of the folder."""
    found = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            names = set(weights.keys())
            found |= {name: weights.get_tensor(name) for name in PARTS if name in names}
    if VALUE_HEAD not in found:
        raise ValueError(
            f"{folder}: no weights file holds {VALUE_HEAD}, so this is no preference model; a model "
            "with a scalar `score` is read by the judge scalar"
        )
    return found


def _shape(
    folder: Path | str,
    entry: Mapping[str, Any] | None,
    parts: Mapping[str, Tensor],
    overrides: Mapping[str, Any],
) -> Shape:
    said = dict(entry or {})
    found = {"dimension": len(parts[VALUE_HEAD])}
    if PROMPT_HEAD not in parts:
        found["gate"] = UNGATED
    asked = {name: value for name, value in overrides.items() if value is not None}
    settings = {**found, **said, **asked}
    if "temperature" in asked:
        settings["learn_temperature"] = False
    names = {field.name for field in fields(Shape)}
    missing = sorted(names - settings.keys() - {"learn_temperature"})
    if missing:
        raise ValueError(
            f"{folder}: config.json says nothing of {', '.join(missing)}, as in published folders; "
            f"name {'it' if len(missing) == 1 else 'them'} in the judge's options"
        )
    if unknown := sorted(settings.keys() - names):
        raise ValueError(f"{folder}: config.json, {ENTRY}: unknown {', '.join(unknown)}")
    try:
        return Shape(**settings)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error


def _check_parts(folder: Path | str, shape: Shape, parts: Mapping[str, Tensor], width: int) -> None:
    wanted = {VALUE_HEAD: [shape.dimension, width]}
    if shape.gate != UNGATED:
        wanted[PROMPT_HEAD] = [shape.pairs, width]
    if shape.learn_temperature:
        wanted[RAW_TEMPERATURE] = []
    for name, size in wanted.items():
        if name not in parts:
            raise ValueError(
                f"{folder}: no weights file holds {name}, but the model is to have gate "
                f"{shape.gate!r} and learn_temperature {str(shape.learn_temperature).lower()}"
            )
        if list(parts[name].shape) != size:
            raise ValueError(
                f"{folder}: {name} has the shape {list(parts[name].shape)}, but dimension "
                f"{shape.dimension} and states of {width} numbers need {size}"
            )
    if PROMPT_HEAD in parts and shape.gate == UNGATED:
        raise ValueError(
            f"{folder}: holds {PROMPT_HEAD}, but the gate is to be none, which would read another "
            "model than was trained; name its gate in the judge's options"
        )
    for name, part in parts.items():
        if not torch.isfinite(part).all():
            raise ValueError(f"{folder}: {name} is NaN or infinite: choose another source")
