"""The lines of a run, as text."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from snakemake_logger_plugin_progress.run import Job, Run


def table(counts: Mapping[str, int]) -> str:
    """counts: rule → jobs in the order in which they can run, and `total`."""
    width = max(len(rule) for rule in counts)
    return "\n".join(f"{rule:<{width}}  {count:>6}" for rule, count in counts.items())


def planned(job: Job, reason: str) -> str:
    return f"{job.name}\n    {reason}" if reason else job.name


def start(job: Job) -> str:
    return f"{_clock()} start   {job.name}"


def done(job: Job, now: float, run: Run) -> str:
    return f"{_clock()} done    {job.name}  {duration(now - job.started)}  [{run.done}/{run.total}]"


def failed(job: Job, now: float) -> str:
    return f"{_clock()} FAILED  {job.name}  {duration(now - job.started)}"


def warned(job: Job, line: str) -> str:
    return f"{_clock()} {line}  ({job.name})"


def status(run: Run, now: float) -> str:
    """done/all, time left, rate, running jobs by rule: a narrow terminal cuts the last."""
    parts = [f"{run.done}/{run.total} done"]
    left = run.seconds_left(now)
    if left is not None:
        parts.append(f"about {duration(left)} left")
    if run.done and now > run.began:
        parts.append(f"{60 * run.done / (now - run.began):.1f} jobs/min")
    rules = Counter(job.rule for job in run.running.values() if not job.silent)
    running = ", ".join(f"{rule} ×{count}" if count > 1 else rule for rule, count in rules.items())
    return " | ".join([*parts, f"running: {running}"] if running else parts)


def failures(jobs: Iterable[Job]) -> str:
    """Each failed job with its last error and its logs."""
    return "\n".join(
        "\n".join(
            [f"FAILED  {job.name}", f"    {job.error}", *(f"    log: {log}" for log in job.logs)]
        )
        for job in jobs
    )


def end(run: Run, now: float) -> str:
    """Nothing where nothing was to be done."""
    if not run.total:
        return ""
    counts = [f"{run.done} of {run.total} jobs done in {duration(now - run.began)}"]
    rest = run.total - run.done - len(run.failed)
    counts += [f"{len(run.failed)} failed"] if run.failed else []
    counts += [f"{rest} left"] if rest > 0 else []
    return ", ".join(counts)


def duration(seconds: float) -> str:
    """Of two units at most: 7s, 1m05s, 2h03m, 4d01h."""
    whole = round(seconds)
    for size, unit, below, small in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // below:02d}{small}"
    return f"{whole}s"


def _clock() -> str:
    return time.strftime("%H:%M:%S")
