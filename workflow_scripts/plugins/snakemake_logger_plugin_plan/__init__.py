"""Snakemake logger plugin `plan`: every job that Snakemake announces, one JSON line each.

A line holds rule, inputs, outputs, the formatted shell command and the working directory. It goes
to the file that PREFGRID_PLAN names. Snakemake finds this package by its name on PYTHONPATH; only
`prefgrid.plan.verification` puts it there.
"""

import json
import os
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent


class LogHandler(LogHandlerBase):
    """Writes the announced jobs; whatever else Snakemake says goes its usual way."""

    # "To a file" would make it one of Snakemake's own log files.
    writes_to_stream = False
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: LogRecord) -> None:
        if getattr(record, "event", None) != LogEvent.JOB_INFO:
            return
        job = {
            "rule": record.rule_name,
            "inputs": list(record.input),
            "outputs": list(record.output),
            "shell": record.shellcmd,
            "folder": os.getcwd(),
        }
        with open(os.environ["PREFGRID_PLAN"], "a", encoding="utf-8") as file:
            file.write(json.dumps(job) + "\n")
