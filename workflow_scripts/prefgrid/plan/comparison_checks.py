"""Checks of sets of comparisons against each other and against the world."""

from collections.abc import Callable, Iterator
from pathlib import Path

from prefgrid.config.fields import Problem
from prefgrid.config.suggestions import allowed
from prefgrid.plan import local_sources
from prefgrid.plan.schema import Config


def _mixtures_are_of_others(config: Config) -> Iterator[Problem]:
    plain = [label for label, one in config.comparisons.items() if one.reads != "comparisons"]
    for label, one in config.comparisons.items():
        for other in one.shares or ():
            if other not in plain:
                what = "is a mixture" if other in config.comparisons else "unknown comparisons"
                yield (
                    f"comparisons.{label}.shares",
                    f"{other!r}: {what}; {allowed(other, plain)}",
                )


def _mixtures_are_of_what_trains(config: Config) -> Iterator[Problem]:
    for label, one in config.comparisons.items():
        for other in one.shares or ():
            if other in config.comparisons and not config.comparisons[other].trains:
                yield (
                    f"comparisons.{label}.shares",
                    f"{other!r} is a benchmark, which has no rows to train on; allowed: others",
                )


def _sources(config: Config) -> Iterator[tuple[str, str]]:
    """(key, source) of the files of comparisons, and of those that studies have of their own."""
    for label, one in config.comparisons.items():
        if one.source is not None:
            yield f"comparisons.{label}.source.source", one.source.source
    for study in config.packages:
        for key, one in getattr(config.section(study), "files", {}).items():
            yield f"{study}.{key}.source", one.source


def _sources_can_be_read(config: Config) -> Iterator[Problem]:
    for key, source in _sources(config):
        if Path(source).exists():
            try:
                local_sources.signature(source)
            except OSError as error:
                yield key, f"{source!r} cannot be read ({error}); allowed: what can be"
        elif config.world == "tiny":
            yield (
                key,
                f"{source!r} is no local path, and world: tiny needs no network; allowed: a local file or "
                "folder, or another with world: hub",
            )


CHECKS: tuple[Callable[[Config], Iterator[Problem]], ...] = (
    _mixtures_are_of_others,
    _mixtures_are_of_what_trains,
    _sources_can_be_read,
)
