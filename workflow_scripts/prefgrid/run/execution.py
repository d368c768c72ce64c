"""What a job is told in its environment about how it runs.

A script run by hand finds nothing there and uses its own defaults.
"""

import json
import os
from typing import Any

# Set by the Snakefile: JSON of the config's `execution` section.
VARIABLE = "PREFGRID_EXECUTION"
# Set by the job runner: how many threads the script may compute with, how many devices it was given,
# and where it may keep what a rerun can continue from, a folder that may not exist yet.
THREADS_VARIABLE = "PREFGRID_THREADS"
GPUS_VARIABLE = "PREFGRID_GPUS"
WORK_VARIABLE = "PREFGRID_WORK"


def setting(name: str, default: Any) -> Any:
    """The value of `execution.<name>`, or `default` outside a workflow."""
    return json.loads(os.environ.get(VARIABLE, "{}")).get(name, default)
