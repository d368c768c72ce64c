"""Checks between keys that depend on the world: the tiny one's limits, the hub's pins."""

from collections.abc import Callable, Iterator
from pathlib import Path

from prefgrid.config import datasets
from prefgrid.config.fields import Problem
from prefgrid.config.hub import HubSource
from prefgrid.limits import tiny_world
from prefgrid.plan import local_sources
from prefgrid.plan.asked_judges import asked
from prefgrid.plan.schema import Config

# What the tiny world writes its data as.
TINY_DATASET = "ultrafeedback"


def _hub_is_described(config: Config) -> Iterator[Problem]:
    if config.world == "hub" and config.hub is None:
        yield "hub", "is null, but world: hub needs models and data named there"


def _hub_sources(config: Config) -> dict[str, HubSource]:
    """Place in the section `hub` → what it names, if anything; none in another world."""
    if config.world != "hub" or config.hub is None:
        return {}
    models = config.hub.models
    named = {
        "models.base": models.base,
        "models.reward": models.reward,
        **{f"models.judges.{label}": what for label, what in models.judges.items()},
        "dataset": config.hub.dataset,
    }
    return {place: what for place, what in named.items() if what is not None}


def _local_sources_can_be_read(config: Config) -> Iterator[Problem]:
    for place, what in _hub_sources(config).items():
        key, path = f"hub.{place}.source", Path(what.source)
        if not path.exists():
            continue  # a hub id; `local_paths` has looked
        if place != "dataset" and not path.is_dir():
            yield key, f"{what.source!r} is a file; allowed of a model: a folder, or a hub id"
        else:
            try:
                local_sources.signature(what.source)
            except OSError as error:
                yield key, f"{what.source!r} cannot be read ({error}); allowed: what can be"


def _tiny_positions_suffice(config: Config) -> Iterator[Problem]:
    if config.world != "tiny":
        return
    tokens = config.max_prompt_tokens + config.max_response_tokens
    most = tiny_world.POSITIONS - tiny_world.TEMPLATE_TOKENS
    if tokens > most:
        yield (
            "max_prompt_tokens",
            f"max_prompt_tokens + max_response_tokens = {tokens}; allowed in the tiny world: at "
            f"most {most} ({tiny_world.POSITIONS} positions less the chat template)",
        )


def _tiny_attention_is_its_own(config: Config) -> Iterator[Problem]:
    asked = config.model.attention
    if config.world == "tiny" and asked != "auto":
        yield (
            "model.attention",
            f"{asked!r} is for world: hub; the tiny world's models are computed in one way; "
            "allowed: auto",
        )


def _trained(config: Config) -> dict[str, None]:
    """Labels of the methods that some study of the run trains, in order."""
    named = (getattr(config.section(study), "methods", ()) for study in config.packages)
    return dict.fromkeys(label for labels in named for label in labels if label in config.methods)


def _flash_attention_has_halves(config: Config) -> Iterator[Problem]:
    """Its kernels take no float32, and run on GPUs alone."""
    if config.world != "hub" or config.model.attention != "flash_attention_2":
        return
    if config.execution.gpus_per_job == 0:
        yield "model.attention", "'flash_attention_2' needs a GPU (execution.gpus_per_job)"
    trainings = {
        f"methods.{label}.training": config.training_of(config.methods[label].training)
        for label in _trained(config)
    }
    if config.reference.sft is not None:
        sft = config.training_of(config.reference.sft.training)
        trainings["reference.sft.training"] = sft
    precisions = {"training.precision": config.training.precision}
    for place, training in trainings.items():
        precisions[f"{place}.precision"] = training.precision
        if training.lora is None:
            yield (
                f"{place}.lora",
                "is null, so weights are float32, but model.attention flash_attention_2 computes "
                "halves; allowed: an adapter",
            )
    for label, judge in asked(config).items():
        if judge.model is not None:
            precision = judge.all_options.get("precision")
            precisions[f"judges.{label}.options.precision"] = precision
    for key, precision in precisions.items():
        if precision == "none":
            yield (
                key,
                "is none, but model.attention flash_attention_2 computes halves; allowed: bf16, fp16",
            )


def _tiny_data_can_be_read(config: Config) -> Iterator[Problem]:
    name = config.data.dataset
    if config.world == "tiny" and config.data.module != datasets.module_name(TINY_DATASET):
        theirs, ours = (datasets.constants(one).source for one in (name, TINY_DATASET))
        yield (
            "data.dataset",
            f"{name!r} reads the schema of {theirs}, but world: tiny writes that of {ours}; "
            f"allowed: {TINY_DATASET}, or another with world: hub",
        )


CHECKS: tuple[Callable[[Config], Iterator[Problem]], ...] = (
    _hub_is_described,
    _local_sources_can_be_read,
    _tiny_positions_suffice,
    _tiny_attention_is_its_own,
    _flash_attention_has_halves,
    _tiny_data_can_be_read,
)
