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
include: "rules/studies/single_index_specs.smk"
include: f"rules/worlds/{CONFIG.world}.smk"
include: "rules/steps/reference.smk"
include: "rules/steps/pools.smk"
include: "rules/studies/link_robustness_preferences.smk"
include: "rules/steps/train.smk"
include: "rules/steps/evaluate.smk"
include: "rules/studies/link_robustness_figures.smk"
include: "rules/studies/single_index.smk"
include: "rules/studies/single_index_figures.smk"
include: "rules/steps/report.smk"
include: "rules/targets.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        "results/report.html",
