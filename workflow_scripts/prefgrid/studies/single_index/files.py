"""The study's files: draws of a block of seeds, and the policies trained on them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from prefgrid.files import store
from prefgrid.studies.single_index.network import Parameters
from prefgrid.studies.single_index.world import Draws


@dataclass(frozen=True)
class Trained:
    """S trained policies: networks, signs ζ [S], and their learned links as tables [S, points]."""

    student: Parameters
    sign: Tensor
    index_nats: Tensor
    probability: Tensor


def save(path: Path, value: Draws | Trained) -> None:
    """Write a dataclass of tensors and stacks of networks as one safetensors file."""
    tensors = {}
    for name, field in asdict(value).items():
        if isinstance(field, dict):
            tensors |= {f"{name}.{key}": tensor.contiguous() for key, tensor in field.items()}
        else:
            tensors[name] = field.contiguous()
    save_file(tensors, path)


def load_draws(path: Path) -> Draws:
    return Draws(**_nested(path))


def load_trained(path: Path) -> Trained:
    return Trained(**_nested(path))


def _nested(path: Path) -> dict[str, Tensor | Parameters]:
    found: dict[str, Tensor | Parameters] = {}
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise store.DataError(f"{path}: it is cut or damaged ({error})") from error
    for name, tensor in tensors.items():
        field, _, key = name.partition(".")
        if key:
            found.setdefault(field, {})[key] = tensor
        else:
            found[field] = tensor
    return found
