# Shared helpers, loaded first. The checked config, specs, code fingerprints, grid cells, resources.

import glob
import itertools

from prefgrid import job_environment
from prefgrid.config import objectives
from prefgrid.config.load import ConfigError, load
from prefgrid.fingerprint import fingerprint
from prefgrid.store import canonical_json

try:
    CONFIG = load(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

STUDY = CONFIG.link_robustness
REFERENCE = "results/models/reference"
REWARD = "results/models/reward"
ROOT = "results/link_robustness"
CELL = "method={method}/seed={seed}/shift={shift}/n={n}"

job_environment.prepare(CONFIG.execution.model_dump())


wildcard_constraints:
    method=r"[A-Za-z][A-Za-z0-9_.-]*",
    seed=r"\d+",
    shift=r"\d+(\.\d+)?(e[+-]?\d+)?",
    n=r"\d+",
    shard=r"\d+",
    tau=r"\d+(\.\d+)?(e[+-]?\d+)?",
    seeds=r"\d+-\d+",


def spec(**values):
    """The one string param of a rule: canonical JSON of exactly the config its cell uses."""
    return canonical_json(values)


def shifts():
    """Link shifts in their one path form: 0.0, 0.5, 4.0."""
    return [repr(shift) for shift in STUDY.shifts]


def cells(pattern):
    """`pattern` filled with every cell of the grid."""
    axes = itertools.product(STUDY.methods, STUDY.seeds, shifts(), STUDY.n)
    return [pattern.format(method=m, seed=s, shift=b, n=n) for m, s, b, n in axes]


def of_studies(**files):
    """The files of the studies that this run has, of lists by study."""
    return [path for study in CONFIG.studies for path in files[study]]


def shards(pattern):
    """`pattern`, which still holds {seed}, filled with every shard of a seed."""
    return [pattern.replace("{shard}", str(k)) for k in range(STUDY.generation.shards)]


def gpus():
    """Devices of a job that runs a model; more than the run has would be capped silently."""
    wanted = CONFIG.execution.gpus_per_job
    limit = workflow.global_resources.get("gpu")
    pool = None if limit is None else limit.value
    if pool is not None and wanted > pool:
        raise WorkflowError(
            f"execution.gpus_per_job: {wanted} device(s) a job, but this run has {pool} "
            f"(--resources gpu={pool}); allowed: at most {pool}"
        )
    return wanted


GPUS = gpus()


def mem_mb(wildcards, attempt):
    return CONFIG.execution.mem_mb * attempt


def runtime(wildcards, attempt):
    return CONFIG.execution.runtime_minutes * attempt
