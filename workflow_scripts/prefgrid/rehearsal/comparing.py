"""Stages of a rehearsal: what is compared with a plain forward, how closely, and what a failure says."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from prefgrid.files import store

# Largest error by precision. In float32 sound models have 1e-7 to 1e-4; in half precision two orders
# of the same sums differ by some hundredths. What is wrong with a family is of the order of 1.
ALLOWED = {"none": 1e-3, "bf16": 0.2, "fp16": 0.05}


@contextmanager
def stage(what: str, model_type: str) -> Iterator[None]:
    """Log how long it took; turn any error into a ValueError that says what was rehearsed.

    An error of a model's own code can be of any kind, and here each means the same: later jobs would
    meet it too.
    """
    start = time.monotonic()
    try:
        yield
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        if not isinstance(error, ValueError):
            reason = f"{type(error).__name__} {reason}".rstrip()
        if "allowed" not in reason:
            reason = f"{reason}; allowed: a model of another family"
        raise ValueError(
            f"the rehearsal of {what} failed with a model of type {model_type!r}: {reason}"
        ) from error
    store.log(f"rehearsed {what}: {time.monotonic() - start:.1f} s")


def check(what: str, error: float, precision: str) -> float:
    """`error`, if it is small enough; ValueError otherwise."""
    allowed = ALLOWED[precision]
    if not error <= allowed:  # NaN is not
        raise ValueError(
            f"{what} differ from those of a plain forward by {error:.3g}; allowed in precision "
            f"{precision}: {allowed:g}"
            + ("" if precision == "none" else " (experts that change with rounding need none)")
        )
    return error


def logits_error(found: Tensor, plain: Tensor) -> float:
    """Root mean square of the difference, in units of the plain logits' spread over the vocabulary;
    the largest of all rows. Both [..., V]."""
    spread = plain.std(dim=-1).clamp(min=torch.finfo(plain.dtype).tiny)
    return ((found - plain).square().mean(dim=-1).sqrt() / spread).max().item()
