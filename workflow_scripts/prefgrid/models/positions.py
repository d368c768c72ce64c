"""How long a row may be so that a model reads every token of it as in any other row.

Two kinds of models have such a limit. Some look up a vector for each position and have no more of
them. Others rotate by angles that the longest row of a batch chooses (longrope beyond its first
length, dynamic NTK beyond the trained one): a longer neighbour would change a row's values, and a
response that crosses the limit while it is decoded is not of the distribution that one forward over
the whole row gives.
"""

from collections.abc import Iterator
from typing import Any

from torch import nn

INERT = True


def rotary_limit(config: Any) -> int | None:
    """Tokens up to which the rotations of a model with this text config are those of any length; None:
    always."""
    limits = [
        config.max_position_embeddings
        if "dynamic" in rope["rope_type"]
        else rope["original_max_position_embeddings"]
        for rope in _ropes(config)
        if "dynamic" in rope["rope_type"] or rope["rope_type"] == "longrope"
    ]
    return min(limits, default=None)


def _ropes(config: Any) -> Iterator[dict[str, Any]]:
    """A model's rotary parameters, of each kind of layer where these differ."""
    parameters = getattr(config, "rope_parameters", None) or {}
    for rope in (parameters, *parameters.values()):
        if isinstance(rope, dict) and isinstance(rope.get("rope_type"), str):
            yield rope


def learned_limit(model: Any) -> int | None:
    """Tokens for which `model` has positions in a table; None: it has no table.

    Families number positions from 0, or behind an offset (OPT), or behind the padding's id (RoBERTa).
    """
    limits = [
        len(table) - getattr(module, "offset", 0) - _reserved(module)
        for name, module, table in _tables(model)
        if "pos" in name or name == "wpe"
    ]
    return min(limits, default=None)


def _tables(model: Any) -> Iterator[tuple[str, nn.Module, Any]]:
    """(own name, module, rows) of every embedding and every two-dimensional buffer of the part that reads
    text: a vision tower's positions are those of an image."""
    text = getattr(model.base_model, "language_model", model)
    for path, module in text.named_modules():
        if isinstance(module, nn.Embedding):
            yield path.rpartition(".")[2], module, module.weight
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.dim() == 2 and buffer.is_floating_point():
                yield name, module, buffer


def _reserved(module: nn.Module) -> int:
    """Rows before the first token's, where the table has one for padding."""
    padding = getattr(module, "padding_idx", None)
    return 0 if padding is None else padding + 1


def row_limit(model: Any) -> int | None:
    """Most tokens of a row that `model` reads rightly, whatever stands beside it; None: any number."""
    limits = learned_limit(model), rotary_limit(model.config.get_text_config())
    return min((limit for limit in limits if limit is not None), default=None)


def check_rotations(config: Any, longest: int) -> None:
    """ValueError if a batch's longest row changes the rotations of the others, or of its own start."""
    limit = rotary_limit(config)
    if limit is not None and longest > limit:
        raise ValueError(
            f"a row of {longest} tokens: beyond {limit} this {config.model_type} rotates the whole "
            "batch by other angles, so rows would change each other's values; allowed: at most "
            f"{limit}"
        )
