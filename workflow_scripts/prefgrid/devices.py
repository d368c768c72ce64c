"""Which device a job computes on, and with how many CPU threads."""

import os

import torch

THREADS_VARIABLE = "PREFGRID_THREADS"


def device() -> torch.device:
    """The first visible CUDA device, else the CPU. The job runner decides what is visible."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def limit_threads() -> None:
    """Apply the job runner's thread count, which comes from config and not from --cores."""
    if threads := os.environ.get(THREADS_VARIABLE):
        torch.set_num_threads(int(threads))
