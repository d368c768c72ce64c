"""prefgrid: one dependency graph of cached artifacts for preference-optimization studies."""

import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.20")


# Defaults; a preset given with --configfile overrides some of them.
configfile: os.path.join(workflow.basedir, "config.yaml")


sys.path.insert(0, os.path.join(workflow.basedir, "workflow_scripts"))


include: "rules/common.smk"
include: "rules/specs.smk"
include: "rules/single_index_specs.smk"
include: f"rules/{CONFIG.world}_world.smk"
include: "rules/reference.smk"
include: "rules/prompts.smk"
include: "rules/preferences.smk"
include: "rules/policies.smk"
include: "rules/evaluations.smk"
include: "rules/figures.smk"
include: "rules/single_index.smk"
include: "rules/single_index_figures.smk"
include: "rules/report.smk"
include: "rules/targets.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        "results/report.html",
