"""Preferences that run in circles: the closings of two tales beat each other by kind, in a ring.

Of the kinds 0, 1 and 2 each beats the next and loses to the one before it, by `RING` nats, whatever
else is there; the words before the closing add their values, as in any scoring. So no score of a
response alone can tell who wins, but a closing is where a reader is when a tale ends. Where the trait
stood early in the tale, no preference embedding learned it: with nearly constant embeddings each kind
wins as often as it loses, which is a saddle of the loss.
"""

from collections.abc import Sequence

import numpy as np

from prefgrid.tinyworld import language

KINDS = 3
# Log-odds of a kind against the next.
RING = 4.0
# Of a word's value.
WORDS = 0.75


def kind(response: str) -> int:
    """Of a response's closing: its number modulo 3; one without counts as one more closing."""
    closing = language.closing(response)
    number = language.CLOSINGS.index(closing) if closing else len(language.CLOSINGS)
    return number % KINDS


def logits(responses: Sequence[str]) -> np.ndarray:
    """Float64 [K, K]: the log-odds with which response i beats response j; antisymmetric."""
    kinds = np.array([kind(response) for response in responses])
    words = np.array([language.worth(one.removesuffix(language.closing(one))) for one in responses])
    steps = (kinds[None, :] - kinds[:, None]) % KINDS
    ring = np.where(steps == 1, RING, np.where(steps == KINDS - 1, -RING, 0.0))
    return ring + WORDS * (words[:, None] - words[None, :])
