"""Time and memory of a run's steps."""

import time
from collections.abc import Callable

import torch


class Clock:
    """Step times of one run. On the CPU the process's own CPU time, which on a shared machine is
    the steadier measure of one thread's work; on a GPU wall time, after the device is done."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self.peak_bytes = 0

    def start(self) -> None:
        """Call when model and data are loaded."""
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def step_ended(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            self.peak_bytes = torch.cuda.max_memory_allocated()
        self._times.append(now())

    def step_seconds(self) -> list[float]:
        """Of every step but the first, which warms up."""
        return [end - start for start, end in zip(self._times[:-1], self._times[1:], strict=True)]


def now() -> float:
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


def seconds(action: Callable[[], object], *, warm: bool = False) -> float:
    """What one call of `action` takes. `warm`: of a second call, for what is short beside the start
    that a first call pays for."""
    if warm:
        action()
    started = now()
    action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return now() - started
