"""Checks between keys that depend on the world: the tiny one's limits, the hub's pins."""

from collections.abc import Callable, Iterator
from pathlib import Path

from prefgrid.config import datasets
from prefgrid.config.fields import Problem
from prefgrid.limits import tiny_world
from prefgrid.plan.schema import Config

# What the tiny world writes its data as.
TINY_DATASET = "ultrafeedback"


def _hub_is_described(config: Config) -> Iterator[Problem]:
    if config.world == "hub" and config.hub is None:
        yield "hub", "is null, but world: hub needs models and data named there"


def _hub_revisions_are_named(config: Config) -> Iterator[Problem]:
    if config.world != "hub" or config.hub is None:
        return
    models = config.hub.models
    places = {
        "models.base": models.base,
        "models.reward": models.reward,
        "dataset": config.hub.dataset,
    }
    for place, what in places.items():
        if what.revision is None and not Path(what.source).exists():
            yield (
                f"hub.{place}.revision",
                f"is null, but {what.source!r} is no local path; name a revision of the hub's, "
                "best a commit",
            )


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
    _hub_revisions_are_named,
    _tiny_positions_suffice,
    _tiny_data_can_be_read,
)
