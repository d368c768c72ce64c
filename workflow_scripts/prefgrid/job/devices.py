"""Which device a job computes on, and with how many CPU threads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from prefgrid.job import explaining
from prefgrid.run import execution

# What it chooses, the machine and execution settings choose: they are no part of a result's identity.
INERT = True


def device() -> torch.device:
    """This process's CUDA device among the visible ones, else the CPU.

    The job runner decides what is visible; torch's elastic launcher numbers the processes of a job
    on several devices.
    RuntimeError if the job was promised a GPU and torch finds none: on the CPU it would take days.
    """
    if torch.cuda.is_available():
        elastic = "TORCHELASTIC_RUN_ID" in os.environ
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]) if elastic else 0)
    if int(os.environ.get(execution.GPUS_VARIABLE, "0")) > 0:
        raise RuntimeError(
            "this job asks for a GPU, but torch sees none: check the driver, torch's build and "
            "CUDA_VISIBLE_DEVICES, or set execution.gpus_per_job: 0 to run on the CPU"
        )
    return torch.device("cpu")


def limit_threads() -> None:
    """Apply the job runner's thread count, which comes from config and not from --cores."""
    if threads := os.environ.get(execution.THREADS_VARIABLE):
        torch.set_num_threads(int(threads))


class OutOfMemory(RuntimeError):
    """An allocator's error that says already what to lower."""


@contextmanager
def explained_out_of_memory(advice: str) -> Iterator[None]:
    """Turn an allocator's error into an OutOfMemory that ends with `advice`, what to lower.

    Of nested ones the innermost explains it: it is nearest to the cause.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, OutOfMemory) or not explaining.is_out_of_memory(error):
            raise
        raise OutOfMemory(f"out of memory: {advice}") from error
