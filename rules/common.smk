# Shared helpers, loaded first. The checked config, specs, code fingerprints, grid cells, resources.

import functools
import glob
import inspect
import itertools
from pathlib import Path

from prefgrid.config import objectives
from prefgrid.files.store import canonical_json
from prefgrid.plan import job_environment, run_lock
from prefgrid.plan.fingerprint import fingerprint
from prefgrid.plan.load import ConfigError, load

try:
    CONFIG = load(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

STUDY = CONFIG.link_robustness
REFERENCE = "results/models/reference"
REWARD = "results/models/reward"
ROOT = "results/link_robustness"
CELL = "method={method}/seed={seed}/shift={shift}/n={n}"

# A cluster job is alone in its allocation: a server of preloaded processes would serve nobody else.
PRELOAD = CONFIG.execution.preload and not workflow.remote_exec
job_environment.prepare(CONFIG.execution.model_dump() | {"preload": PRELOAD})
if workflow.is_main_process and not workflow.output_settings.dryrun:
    run_lock.hold(Path(".snakemake"))


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


def gpu_shares(devices):
    """What Snakemake counts as `gpu` for a job on so many devices: as many shares of devices.

    A job on one device takes one of its `jobs_per_gpu` shares, a job on several takes them whole.
    More than the run has would be capped silently.
    """
    wanted = devices * CONFIG.execution.jobs_per_gpu if devices > 1 else devices
    limit = workflow.global_resources.get("gpu")
    pool = None if limit is None else limit.value
    if pool is not None and wanted > pool:
        raise WorkflowError(
            f"execution.gpus_per_job: {devices} device(s) a job, but this run has {pool} "
            f"(--resources gpu={pool}); allowed: at least gpu={wanted}"
        )
    return wanted


# Of a training job; and of another job that runs a model.
TRAINING_DEVICES = CONFIG.execution.gpus_per_job
MODEL_DEVICES = min(1, TRAINING_DEVICES)
TRAINING_GPU = gpu_shares(TRAINING_DEVICES)
MODEL_GPU = gpu_shares(MODEL_DEVICES)


def asked_often(function):
    """`function` with its signature at hand: Snakemake looks for it before each of its calls."""
    function.__signature__ = inspect.signature(function)
    return function


@asked_often
def mem_mb(wildcards, attempt):
    return CONFIG.execution.mem_mb * attempt


@asked_often
def runtime(wildcards, attempt):
    return CONFIG.execution.runtime_minutes * attempt
