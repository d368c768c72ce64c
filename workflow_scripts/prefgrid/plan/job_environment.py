"""What Snakemake's process hands to its jobs through the environment, beside their params.

Nothing here is tracked by Snakemake, so nothing here may change a result beyond rounding.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefgrid.files import formats
from prefgrid.plan import places
from prefgrid.run import execution, outer_launcher
from prefgrid.run.preload import address, client

SCRIPTS = Path(__file__).resolve().parents[2]
SERVER_LOG = Path("results/logs/fork_server.log")
# Set by Snakemake for each job, to a temporary folder that a run has one of unless told otherwise.
TEMPORARY = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")


def prepare(section: dict[str, Any], config_files: Sequence[str] = ()) -> None:
    """Set the variables that `run_job.py` and the scripts read; called while the Snakefile is read.

    section: the config's `execution`. config_files: names of the run's, for the report. Jobs find this interpreter even where its
    environment is not activated, and the scripts wherever the working directory is.
    """
    os.environ |= execution.PYTHON
    _prepend("PATH", Path(sys.executable).parent)
    _prepend("PYTHONPATH", SCRIPTS)
    if folder := places.matplotlib_folder(os.environ, Path.cwd()):
        os.environ[places.MATPLOTLIB_VARIABLE] = folder
    os.environ[execution.VARIABLE] = formats.canonical_json(section)
    os.environ[execution.CONFIG_FILES_VARIABLE] = formats.canonical_json(list(config_files))
    os.environ[execution.PARENT_VARIABLE] = str(os.getpid())
    # An outer run's server is not for this run's jobs.
    os.environ.pop(address.VARIABLE, None)


def start_server() -> subprocess.Popen:
    """Start the fork server of this run, with the environment of a job without devices and hub."""
    name = f"prefgrid-{os.getpid()}-{secrets.token_hex(8)}"
    environment = {
        **outer_launcher.without(os.environ),
        **dict.fromkeys(TEMPORARY, tempfile.gettempdir()),
        **execution.ENVIRONMENT,
        **execution.OFFLINE,
        "CUDA_VISIBLE_DEVICES": "",
    }
    SERVER_LOG.parent.mkdir(parents=True, exist_ok=True)
    server = client.start_server(name, shutil.which("python"), environment, SERVER_LOG)
    os.environ[address.VARIABLE] = name
    return server


def _prepend(variable: str, folder: Path) -> None:
    present = [os.environ[variable]] if os.environ.get(variable) else []
    os.environ[variable] = os.pathsep.join([str(folder), *present])
