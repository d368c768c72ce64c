"""What the config's `execution` section says, inside a job.

The Snakefile hands it over in the environment (`job_environment`); a script run by hand finds
nothing there and uses its own defaults.
"""

import json
import os
from typing import Any

# Set by the Snakefile: JSON of the config's `execution` section.
VARIABLE = "PREFGRID_EXECUTION"


def setting(name: str, default: Any) -> Any:
    """The value of `execution.<name>`, or `default` outside a workflow."""
    return json.loads(os.environ.get(VARIABLE, "{}")).get(name, default)
