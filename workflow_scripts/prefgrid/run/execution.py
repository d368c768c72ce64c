"""What a job is told in its environment about how it runs.

A script run by hand finds nothing there and uses its own defaults.
"""

import json
import os
from typing import Any

INERT = True

# Set by the Snakefile: JSON of the config's `execution` section.
VARIABLE = "PREFGRID_EXECUTION"
# Set by the job runner: how many threads the script may compute with, how many devices it was given,
# and where it may keep what a rerun can continue from, a folder that may not exist yet.
THREADS_VARIABLE = "PREFGRID_THREADS"
GPUS_VARIABLE = "PREFGRID_GPUS"
WORK_VARIABLE = "PREFGRID_WORK"
# Set by the Snakefile: JSON of the names of the run's config files, for the report.
CONFIG_FILES_VARIABLE = "PREFGRID_CONFIG_FILES"
# Set by the Snakefile: Snakemake's process id.
PARENT_VARIABLE = "PREFGRID_PARENT"

# Of every Python: a job's supervisor, its script, the fork server.
PYTHON = {
    # Files, pipes and file names are UTF-8 whatever the locale.
    "PYTHONUTF8": "1",
    # Neither a script's folder nor the working folder is searched: a signal.py there is no module.
    "PYTHONSAFEPATH": "1",
    # transformers reads docstrings while it is imported; -O takes them away.
    "PYTHONOPTIMIZE": "0",
}
# Of every script, and of the fork server, since packages read some at their import.
ENVIRONMENT = {
    **PYTHON,
    # The numbering that the leases go by; CUDA's own puts the fastest first.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "Agg",
    # Large tensors in huge pages: a tenth less time on a CPU, most of it page faults.
    "THP_MEM_ALLOC_ENABLE": "1",
}
# Of a script that must not reach the hub.
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    # Loading local files takes a moment; its bars would only break up our progress lines.
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def setting(name: str, default: Any) -> Any:
    """The value of `execution.<name>`, or `default` outside a workflow."""
    return json.loads(os.environ.get(VARIABLE, "{}")).get(name, default)
