"""Checks of preference models against the comparisons, the device and the world."""

from collections.abc import Callable, Iterator

from prefgrid.config import judging
from prefgrid.config.fields import Problem, Unusable
from prefgrid.config.preference_models import PreferenceModel
from prefgrid.config.suggestions import allowed
from prefgrid.config.training import Training
from prefgrid.plan.asked_judges import asked
from prefgrid.plan.schema import Config
from prefgrid.studies.checks import (
    enough_for_the_devices,
    float16_has_a_gpu,
    layers_exist,
    rate_is_reached,
)


def _usable(config: Config) -> Iterator[tuple[str, PreferenceModel, Training]]:
    """(place of its training, the model, its training), of those whose values are right by themselves."""
    for label, model in config.preference_models.items():
        try:
            yield (
                f"preference_models.{label}.training",
                model,
                config.training_of(model.training),
            )
        except Unusable:
            continue


def _labels_name_no_other_model(config: Config) -> Iterator[Problem]:
    """Those of `hub.models.judges` are compared with these where they are written."""
    for label in config.preference_models:
        if label in judging.WORLDS:
            yield (
                f"preference_models.{label}",
                f"{label!r} names another model that judges ask; allowed: a label other than "
                f"{', '.join(judging.WORLDS)}",
            )


def _comparisons_exist(config: Config) -> Iterator[Problem]:
    for label, model in config.preference_models.items():
        yield from _trains(f"preference_models.{label}", model.comparisons, config)


def _comparisons_of_judges_train_their_models(config: Config) -> Iterator[Problem]:
    for label, judge in asked(config).items():
        if judge.comparisons is None:
            continue
        if judge.model in config.preference_models:
            yield from _trains(f"judges.{label}", judge.comparisons, config)
        elif judge.model in (None, *judging.models(config)):
            yield (
                f"judges.{label}.comparisons",
                f"{judge.comparisons!r} is set, but its model ({judge.model or 'null'}) is trained on none; "
                f"allowed: null, or one of preference_models ({', '.join(config.preference_models)})",
            )


def _trains(place: str, on: str, config: Config) -> Iterator[Problem]:
    """For the `comparisons` at a place, on which a model is trained."""
    if on not in config.comparisons:
        yield (
            f"{place}.comparisons",
            f"unknown comparisons {on!r}; {allowed(on, config.comparisons)}",
        )
    elif not config.comparisons[on].trains:
        yield (
            f"{place}.comparisons",
            f"{on!r} is a benchmark, which has no rows to train on; allowed: others",
        )


def _trainings_fit_the_device(config: Config) -> Iterator[Problem]:
    for place, _, training in _usable(config):
        yield from float16_has_a_gpu(place, training.precision, config)
        yield from enough_for_the_devices(place, training.batch_size, config)
        if training.lora is not None:
            yield from layers_exist(place, training.lora, config)


def _rates_are_reached(config: Config) -> Iterator[Problem]:
    """Where the number of steps is known; the job, which knows how many rows there are, asks again."""
    for place, _, training in _usable(config):
        if training.max_steps is not None:
            length = "its", training.max_steps
            yield from rate_is_reached(place, training, length, length)


def _batches_hold_whole_groups(config: Config) -> Iterator[Problem]:
    for place, model, training in _usable(config):
        if training.batch_size % model.group_size:
            yield (
                f"{place}.batch_size",
                f"batch_size {training.batch_size} is no multiple of group_size {model.group_size}, whose "
                "rows would be in two steps; allowed: a multiple",
            )


CHECKS: tuple[Callable[[Config], Iterator[Problem]], ...] = (
    _labels_name_no_other_model,
    _comparisons_exist,
    _comparisons_of_judges_train_their_models,
    _trainings_fit_the_device,
    _rates_are_reached,
    _batches_hold_whole_groups,
)
