"""What a sequence classifier reads, by what it is made of."""

from typing import Any

from torch import nn


def score_layer(model: Any) -> nn.Linear | None:
    """The linear layer `score` on a decoder's states, which all of transformers' decoders have.

    Such a classifier reads a dialogue. Any other (encoders, encoder-decoders) has no such layer and
    reads a pair of texts.
    """
    layer = getattr(model, "score", None)
    return layer if type(layer) is nn.Linear else None
