"""prefgrid: one dependency graph of cached artifacts for preference-optimization studies."""

import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.20")


# Defaults; a preset given with --configfile overrides some of them.
configfile: os.path.join(workflow.basedir, "config.yaml")


sys.path.insert(0, os.path.join(workflow.basedir, "workflow_scripts"))
# An objective may be any module in this folder. Snakemake has put it first, where a signal.py in it
# would be taken for the standard library's.
sys.path.append(sys.path.pop(sys.path.index(str(workflow.basedir))))


include: "rules/common.smk"
include: "rules/worlds/datasets.smk"
include: f"rules/worlds/{CONFIG.world}.smk"
include: "rules/steps/reference.smk"
include: "rules/steps/pools.smk"
include: "rules/steps/comparisons.smk"
include: "rules/steps/sample.smk"
include: "rules/steps/score.smk"
include: "rules/steps/compare.smk"
include: "rules/steps/logps.smk"
include: "rules/steps/train.smk"
include: "rules/steps/average.smk"
include: "rules/steps/preference_models.smk"
include: "rules/steps/evaluate.smk"
include: "rules/steps/held_out.smk"
include: "rules/steps/export.smk"
include: "rules/steps/gather.smk"
include: "rules/steps/draw.smk"
include: "rules/steps/report.smk"


# A study's own rules, if it has any.
for path in registry.rules(CONFIG.packages):

    include: path


include: "rules/targets.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        "results/report.html",
