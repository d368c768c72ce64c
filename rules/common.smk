# Shared helpers, loaded first. The checked config, the studies' wiring, params, resources.

import functools
import gc
import inspect
import re
from pathlib import Path

from snakemake.common import overwrite_function_params
from snakemake.common.configfile import load_configfile
from snakemake.dag import DAG

from prefgrid.config import judges
from prefgrid.files import cells
from prefgrid.files.formats import canonical_json
from prefgrid.plan import ancient_edges, job_environment, local_paths, places, run_lock
from prefgrid.plan import shown, wirings
from prefgrid.plan.config_words import as_in_a_file
from prefgrid.plan.fingerprint import fingerprint
from prefgrid.plan.load import ConfigError, load
from prefgrid.studies import preference_models, registry, rehearsal

try:
    places.check_checkout(Path(workflow.basedir))
    places.check_locale(config)
    GIVEN = as_in_a_file(config, workflow.config_settings.config_args)
    # Each over those before it; Snakemake lists the command line's first.
    CONFIG_FILES = [Path(workflow.basedir) / "config.yaml", *workflow.config_settings.configfiles]
    CONFIG = load(GIVEN, local_paths.folders(GIVEN, CONFIG_FILES, load_configfile))
    # A study's answers to what its cells are made from; a study that the config does not list has none.
    WIRING = wirings.of(CONFIG)
except (ConfigError, places.PlaceError) as error:
    raise WorkflowError(str(error)) from None

REFERENCE = "results/models/reference"
REWARD = "results/models/reward"

# Read by the one template of captions in `snakemake --report`.
config["captions"] = {
    path: text for study in WIRING.values() for path, text in study.captions().items()
}

# Of rehearsals.
ancient_edges.look_behind(DAG)

# A plan is many objects that all stay: looking for garbage among them takes a good part of the time.
gc.set_threshold(100_000, 20, 20)

# The defaults, and what a run puts over them, by names that mean the same in a copy of the folder.
CONFIG_FILES = shown.file_names(
    [Path(workflow.basedir, "config.yaml"), *workflow.config_settings.configfiles],
    Path(workflow.basedir).absolute(),
    Path.cwd(),
)
if workflow.config_settings.config:
    CONFIG_FILES.append("--config")
job_environment.prepare(CONFIG.execution.model_dump(), CONFIG_FILES)
if workflow.is_main_process and not workflow.output_settings.dryrun:
    run_lock.hold(Path(".snakemake"))


# Name of a rule → what has to hold before the first job of a run that needs it; ValueError if it does not.
NEEDED_AT_START = {}


# Called in the main process alone, and only if there are jobs to run.
onstart:
    for name in NEEDED_AT_START.keys() & {job.rule.name for job in workflow.dag.needrun_jobs()}:
        try:
            NEEDED_AT_START[name]()
        except ValueError as error:
            raise WorkflowError(str(error)) from None
    # A cluster job is alone in its allocation: a server would serve nobody else there.
    if CONFIG.execution.preload and workflow.local_exec:
        job_environment.start_server()


wildcard_constraints:
    study="|".join(WIRING),
    cell=cells.PATTERN,
    figure=wirings.FIGURE,
    table=wirings.TABLE,


def spec(**values):
    """The one string param of a rule: canonical JSON of exactly the config its cell uses."""
    return canonical_json(values)


def asked_often(function):
    """`function` with its parameters at hand: Snakemake asks for them before each of its calls."""
    overwrite_function_params(function, inspect.signature(function).parameters)
    return function


# Snakemake asks for one job's input and params one after the other, and again in later rounds.
@functools.lru_cache(maxsize=4096)
def step(block, study, cell):
    """The Step of one cell: what the study's wiring answers to `block`."""
    return wirings.step(WIRING[study], block, cell)


def made_from(block, key="cell", study=None):
    """(inputs, spec, code) of a shared rule, as functions of its wildcards.

    inputs: those that depend on the study or the cell; others stand in the rule, where they cost nothing.
    block: which of the wiring's methods knows. key: the wildcard that it is asked with, None for a rule
    without one. study: of a rule that belongs to one study.
    """

    def found(wildcards):
        cell = "" if key is None else getattr(wildcards, key)
        return step(block, study or wildcards.study, cell)

    return answers(found)


def answers(found):
    """(inputs, spec, code) of a rule, as functions of its wildcards, which `found` turns into a Step."""

    @asked_often
    def inputs(wildcards):
        one = found(wildcards)
        if not one.weights:
            return one.inputs
        return {**one.inputs, "weights": [ancient(path) for path in one.weights]}

    @asked_often
    def settings(wildcards):
        return canonical_json(found(wildcards).spec)

    def code(script):
        @asked_often
        def print_of(wildcards):
            return fingerprint(script, *found(wildcards).modules)

        return print_of

    return unpack(inputs), settings, code


def stage(name):
    """The files of one stage, of all studies of this run."""
    return [path for study in WIRING.values() for path in study.cells(name)]


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


# Of a job that runs or trains a model.
@asked_often
def mem_mb(wildcards, attempt):
    return CONFIG.execution.mem_mb * attempt


@asked_often
def runtime(wildcards, attempt):
    return CONFIG.execution.runtime_minutes * attempt


# Of any other: data, labels, tables, figures, the report.
@asked_often
def light_mem_mb(wildcards, attempt):
    return CONFIG.execution.light_mem_mb * attempt


@asked_often
def light_runtime(wildcards, attempt):
    return CONFIG.execution.light_runtime_minutes * attempt
