"""What Snakemake's process hands to its jobs through the environment, beside their params.

Nothing here is tracked by Snakemake, so nothing here may change a result beyond rounding.
"""

import os
import sys
from pathlib import Path
from typing import Any

from prefgrid.files import store
from prefgrid.run import execution
from run_job import PARENT_VARIABLE

SCRIPTS = Path(__file__).resolve().parents[2]


def prepare(section: dict[str, Any]) -> None:
    """Set the variables that `run_job.py` and the scripts read; called while the Snakefile is read.

    section: the config's `execution`. Jobs find this interpreter even where its
    environment is not activated, and the scripts wherever the working directory is.
    """
    _prepend("PATH", Path(sys.executable).parent)
    # The Snakefile's folder too, as while it is read: an objective may be any module in it.
    _prepend("PYTHONPATH", SCRIPTS.parent)
    _prepend("PYTHONPATH", SCRIPTS)
    os.environ[execution.VARIABLE] = store.canonical_json(section)
    os.environ[PARENT_VARIABLE] = str(os.getpid())


def _prepend(variable: str, folder: Path) -> None:
    present = [os.environ[variable]] if os.environ.get(variable) else []
    os.environ[variable] = os.pathsep.join([str(folder), *present])
