"""What is known of a run: its jobs, those that run, those that failed, and how long the rest takes."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Job:
    """One job; times are seconds of a clock that only goes on. silent: it makes nothing."""

    rule: str
    cell: str
    logs: tuple[str, ...]
    started: float
    silent: bool = False
    error: str = ""

    @property
    def name(self) -> str:
        return f"{self.rule}  {self.cell}".rstrip()


@dataclass
class Run:
    """began: when, in seconds. planned: rule → jobs. running, failed: Snakemake's number → job.

    total, done: jobs. seconds: rule → of each of its finished jobs.
    """

    began: float
    planned: dict[str, int] = field(default_factory=dict)
    total: int = 0
    done: int = 0
    running: dict[int, Job] = field(default_factory=dict)
    failed: dict[int, Job] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def plan(self, counts: Mapping[str, int]) -> None:
        """counts: rule → jobs, and `total`, Snakemake's own sum."""
        self.planned = {rule: count for rule, count in counts.items() if rule != "total"}
        self.total = counts["total"]

    def start(self, number: int, job: Job) -> None:
        """Also again, after a failure."""
        self.failed.pop(number, None)
        self.running[number] = job

    def finish(self, number: int, now: float) -> Job | None:
        """The job, if it was running."""
        job = self.running.pop(number, None)
        if job is not None:
            self.done += 1
            self.seconds[job.rule].append(now - job.started)
        return job

    def fail(self, number: int, logs: tuple[str, ...], error: str) -> Job | None:
        """The job, if it was running. logs: its own, and a cluster's about it."""
        job = self.running.pop(number, None)
        if job is not None:
            job.logs, job.error = logs, error
            self.failed[number] = job
        return job

    def seconds_left(self, now: float) -> float | None:
        """Until all planned jobs are done, if they take what others of their rule took, and as many run at
        once as so far; None before the first has ended. Of a rule without an example: as any job.
        """
        ended = [second for rule in self.seconds.values() for second in rule]
        busy = sum(ended) + sum(now - job.started for job in self.running.values())
        if not ended or busy <= 0 or now <= self.began:
            return None
        usual = sum(ended) / len(ended)
        work = 0.0
        for rule, count in self.planned.items():
            known = self.seconds.get(rule, [])
            each = sum(known) / len(known) if known else usual
            gone = [now - job.started for job in self.running.values() if job.rule == rule]
            waiting = count - len(known) - len(gone)
            work += max(waiting, 0) * each + sum(max(each - second, 0.0) for second in gone)
        return work * (now - self.began) / busy
