"""Which device a job computes on, and with how many CPU threads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

THREADS_VARIABLE = "PREFGRID_THREADS"


def device() -> torch.device:
    """The first visible CUDA device, else the CPU. The job runner decides what is visible."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def limit_threads() -> None:
    """Apply the job runner's thread count, which comes from config and not from --cores."""
    if threads := os.environ.get(THREADS_VARIABLE):
        torch.set_num_threads(int(threads))


@contextmanager
def explained_out_of_memory(advice: str) -> Iterator[None]:
    """Turn an allocator's error into a RuntimeError that ends with `advice`, what to lower."""
    try:
        yield
    except RuntimeError as error:
        cpu = "can't allocate memory" in str(error)
        if not isinstance(error, torch.OutOfMemoryError) and not cpu:
            raise
        raise RuntimeError(f"out of memory: {advice}") from error
