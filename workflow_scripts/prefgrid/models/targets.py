"""Which layers an adapter may be put on; raises ValueError for others, with what is allowed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

INERT = True


@contextmanager
def refusals(model: Any, targets: str | Sequence[str], config: Any) -> Iterator[None]:
    """Put the adapter of peft's `config` on `model` within; `targets` are as the user wrote them.

    ValueError if one is the output layer or the embedding, if the adapter does not fit the model, or if
    a listed target is on no layer: the others alone would be trained, without a word.
    """
    listed = [] if isinstance(targets, str) else list(targets)
    names = [name for name, _ in model.named_modules()]
    allowed = f"allowed: all-linear (a word, no list), or a list of {', '.join(_linear(model))}"
    ends = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    whole = [name for name, module in model.named_modules() if id(module) in ends]
    if barred := [target for target in listed if _is_among(target, whole)]:
        raise ValueError(
            f"lora.targets names {', '.join(barred)}: the embedding and the output layer cannot be "
            "adapted. They may share their weights, of which an adapter would change one use only, "
            f"and logits are computed in float32 by the output layer as it is; {allowed}"
        )
    try:
        yield
    except ValueError as error:
        reason = str(error).splitlines()[0]
        unknown = [target for target in listed if not _is_among(target, names)]
        if len(unknown) == len(listed) > 0:
            reason = f"no layer has such a name, of a model of type {model.config.model_type!r}"
        raise ValueError(
            f"no adapter can be put on lora.targets {targets}: {reason}; {allowed}"
        ) from error
    # peft has taken out names of experts' layers, which are parts of one tensor now.
    left = set(config.target_modules)
    if absent := [one for one in listed if one in left and not _is_among(one, names)]:
        raise ValueError(
            f"lora.targets names {', '.join(absent)}, but no layer of a model of type "
            f"{model.config.model_type!r} is called so; {allowed}"
        )


def _is_among(target: str, names: Sequence[str]) -> bool:
    """As peft matches a listed name."""
    return any(name == target or name.endswith(f".{target}") for name in names)


def _linear(model: Any) -> list[str]:
    """Last names of the linear layers, but the output one's, in the model's order."""
    output = model.get_output_embeddings()
    return list(
        dict.fromkeys(
            name.rpartition(".")[2]
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear | Conv1D) and module is not output
        )
    )
