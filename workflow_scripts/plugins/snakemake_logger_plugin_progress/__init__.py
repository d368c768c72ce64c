"""Snakemake logger plugin `progress`: a line a job at its start and at its end, the rest in its log.

On a terminal a last line says how many jobs are done, which run, how fast, and how long the rest takes. A
job that failed is told again at the end, with its log and its last error. A dry run is a table and a line
a job. Snakemake's own words about each step are left out; `.snakemake/log` has them all. Snakemake finds
this package by its name on the path, where `launch.py` puts it. Standard library only, but for
Snakemake's interface.
"""

import logging
import sys
import threading
import time
from logging import LogRecord
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_progress import chatter, joblogs, words
from snakemake_logger_plugin_progress.run import Job, Run
from snakemake_logger_plugin_progress.screen import Screen

# Between two looks of the last line, whose times go on while nothing happens.
TICK_SECONDS = 1.0


class LogHandler(LogHandlerBase):
    """Follows a run by Snakemake's events. Records come in one thread, ticks in another."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True  # quietness is heeded here: what is not shown is counted all the same
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.run = Run(time.monotonic())
        self.quiet = {level.name.lower() for level in settings.quiet or ()}
        self.screen = Screen(sys.stdout if settings.stdout else sys.stderr, not settings.nocolor)
        self.closed = threading.Event()
        self.lines = not self.quiet & {"rules", "all"}
        self.numbers = not self.quiet & {"progress", "all"}
        if self.screen.is_terminal and self.numbers and not settings.dryrun:
            threading.Thread(target=self._tick, daemon=True).start()

    def emit(self, record: LogRecord) -> None:
        try:
            self._handle(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Tell what failed and how much was done; the last that is said."""
        if not self.closed.is_set():
            self.closed.set()
            with self.lock:
                self.screen.status("")
                if not self.common_settings.dryrun and "all" not in self.quiet:
                    self.screen.write(words.failures(self.run.failed.values()), alarming=True)
                    self.screen.write(words.end(self.run, time.monotonic()) if self.numbers else "")
        super().close()

    def _handle(self, record: LogRecord) -> None:
        fields = record.__dict__
        match fields.get("event"):
            case LogEvent.RUN_INFO if not self.run.planned:
                self.run.plan(fields["stats"])
                dryrun = self.common_settings.dryrun and "all" not in self.quiet
                self.screen.write(words.table(fields["stats"]) if self.numbers or dryrun else "")
            case LogEvent.JOB_INFO:
                self._start(fields)
            case LogEvent.SHELLCMD if self.common_settings.printshellcmds and self.lines:
                self.screen.write(fields.get("shellcmd") or fields.get("cmd") or "")
            case LogEvent.JOB_FINISHED:
                self._end(fields["job_id"])
            case LogEvent.JOB_ERROR:
                self._fail(fields)
            case LogEvent.PROGRESS:
                self.run.total = fields["total"]
            case LogEvent.ERROR | LogEvent.GROUP_ERROR | None:
                self._say(record)
        self._show_status()

    def _start(self, fields: dict[str, Any]) -> None:
        job = Job(
            rule=fields["rule_name"],
            cell="/".join(map(str, (fields["wildcards"] or {}).values())),
            logs=tuple(fields["log"]),
            started=time.monotonic(),
            # A rule of targets alone runs nothing.
            silent=fields["shellcmd"] is None,
        )
        if self.common_settings.dryrun:
            reason = "" if "reason" in self.quiet else fields["reason"]
            self.screen.write(words.planned(job, reason) if self.lines else "")
            return
        self.run.start(fields["jobid"], job)
        self.screen.write(words.start(job) if self.lines and not job.silent else "")

    def _end(self, number: int) -> None:
        job = self.run.finish(number, time.monotonic())
        if job is None or not self.lines or job.silent:
            return
        self.screen.write(words.done(job, time.monotonic(), self.run))
        for line in joblogs.warnings(job.logs):
            self.screen.write(words.warned(job, line))

    def _fail(self, fields: dict[str, Any]) -> None:
        logs = tuple(fields["log"])
        error = joblogs.last_error(logs) or fields["rule_msg"] or "ended without a word"
        job = self.run.fail(fields["jobid"], logs, error)
        if job is not None and self.lines:
            self.screen.write(words.failed(job, time.monotonic()), alarming=True)

    def _say(self, record: LogRecord) -> None:
        text = record.getMessage() if record.msg else ""
        if record.levelno == logging.DEBUG and not self.common_settings.verbose:
            return
        if "all" in self.quiet or chatter.is_known(record, text, failed=bool(self.run.failed)):
            return
        self.screen.write(text.strip("\n"), alarming=record.levelno >= logging.ERROR)

    def _show_status(self) -> None:
        if self.numbers and self.run.running:
            self.screen.status(words.status(self.run, time.monotonic()))
        else:
            self.screen.status("")

    def _tick(self) -> None:
        while not self.closed.wait(TICK_SECONDS):
            with self.lock:
                if not self.closed.is_set():
                    self._show_status()
