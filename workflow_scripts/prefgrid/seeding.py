"""Named random streams: every random draw is keyed by what it is for, never by call order.

A stream is a Philox counter generator (Salmon et al., SC 2011) whose key is the SHA-256 of
(seed, purpose, keys). Streams of different purposes are independent; the same key gives the same
numbers on every machine, in any order, whatever else was drawn before.
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np


def _digest(seed: int, purpose: str, keys: Sequence[int | float | str]) -> bytes:
    text = json.dumps([int(seed), purpose, list(keys)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def stream(seed: int, purpose: str, *keys: int | float | str) -> np.random.Generator:
    """The generator of (seed, purpose, keys); a fresh one, at its start, on each call."""
    key = np.frombuffer(_digest(seed, purpose, keys)[:16], dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key))


def uniforms(
    seed: int, purpose: str, keys: Sequence[tuple[int | float | str, ...]], width: int
) -> np.ndarray:
    """One row of uniforms in [0, 1) per key, float64 [len(keys), width].

    A row depends on (seed, purpose, its key) alone, and a larger width extends it, so neither
    batch size nor order changes what a row receives.
    """
    rows = np.empty((len(keys), width), dtype=np.float64)
    for row, key in zip(rows, keys, strict=True):
        stream(seed, purpose, *key).random(out=row)
    return rows


def torch_seed(seed: int, purpose: str, *keys: int | float | str) -> int:
    """A 63-bit seed for a torch generator, derived as in `stream`."""
    return int.from_bytes(_digest(seed, purpose, keys)[:8], "little") >> 1
