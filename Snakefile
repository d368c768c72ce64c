"""prefgrid: one dependency graph of cached artifacts for preference-optimization studies."""

import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.20")


# Defaults; a preset given with --configfile overrides some of them.
configfile: os.path.join(workflow.basedir, "config.yaml")


SCRIPTS = os.path.join(workflow.basedir, "workflow_scripts")
sys.path.insert(0, SCRIPTS)


def prepend(variable, folder):
    os.environ[variable] = os.pathsep.join([folder, *filter(None, [os.environ.get(variable)])])


# Jobs must find this interpreter, even where its environment is not activated, and the scripts.
prepend("PATH", os.path.dirname(sys.executable))
prepend("PYTHONPATH", SCRIPTS)


include: "rules/common.smk"
include: f"rules/{CONFIG.world}_world.smk"
include: "rules/reference.smk"
include: "rules/prompts.smk"
include: "rules/preferences.smk"
include: "rules/policies.smk"
include: "rules/evaluations.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/targets.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        "results/report.html",
