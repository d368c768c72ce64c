"""Dropout: in training an adapter's own is on, and nothing of the model below it.

Many configs carry the dropout (or a router's noise) of pre-training. A policy that is trained with it is
another model than the one that is sampled, scored and compared: its index starts with noise instead
of 0.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft.tuners.lora import LoraLayer


def train_adapters(model: Any) -> None:
    """Put `model` into evaluation mode but for the dropout of its LoRA layers."""
    model.eval()
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            layer.lora_dropout.train()


@contextmanager
def without_dropout(model: Any) -> Iterator[None]:
    """Run `model` in evaluation mode; every part of it then returns to the mode that it was in."""
    in_training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in in_training:
            module.training = True
