"""Which of Snakemake's sentences say nothing that a line, the status or the summary does not say."""

import logging
import re
from logging import LogRecord

# By their beginnings; what is not known here is shown.
STEPS = re.compile(
    r"""
    Assuming\ unrestricted\ shared\ filesystem | Building\ DAG\ of\ jobs | Using\ shell: | host:
    | Config\ file\ .*\ is\ (extended|replaced)\ by | Conda\ environments:\ ignored
    | Singularity\ containers:\ ignored | Group\ jobs:\ inactive | Select\ jobs\ to\ execute
    | Job\ rate\ limit\ reached | Storing\ output\ in\ storage | Processed\ \d+\ potential\ jobs
    | Complete\ log\(s\): | Elapsed\ time: | Shutting\ down,\ this\ might
    | Removing\ output\ files\ of\ failed\ job | Trying\ to\ restart\ job
    """,
    re.VERBOSE,
)
# What Snakemake says of a failed command beside the job's own error, and before it.
COMMAND = re.compile(r"RuleException:\nCalledProcessError in file ")
# And at the end, where the failed jobs are told.
FAILURES = re.compile(
    r"""
    Exiting\ because\ a\ job\ execution\ failed
    | (WorkflowError:\s+)?At\ least\ one\ job\ did\ not\ complete\ successfully
    """,
    re.VERBOSE,
)


def is_known(record: LogRecord, text: str, *, failed: bool) -> bool:
    """failed: a job has, and is told of at the end."""
    if record.levelno < logging.WARNING:
        return not text or bool(STEPS.match(text))
    return bool(COMMAND.match(text)) or (failed and bool(FAILURES.match(text)))
