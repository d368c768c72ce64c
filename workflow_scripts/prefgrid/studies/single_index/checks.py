"""Checks that compare the keys of `single_index` with each other and with `methods`."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from prefgrid.config import objectives
from prefgrid.config.fields import Problem, Unusable
from prefgrid.limits import bounds, lengths
from prefgrid.studies import checks
from prefgrid.studies.single_index.config import Config
from prefgrid.studies.single_index.names import ORACLE

STUDY = "single_index"


def _no_label_is_the_oracles(own: Config, _: Any) -> Iterator[Problem]:
    if ORACLE in own.methods:
        yield (
            f"{STUDY}.methods",
            f"{ORACLE!r} is the tables' name for the scanned true reward; allowed: other labels",
        )


def _drawn_shifts_are_in_the_grid(own: Config, _: Any) -> Iterator[Problem]:
    for shift in own.evaluation.pareto_shifts:
        if shift not in own.shifts:
            yield (
                f"{STUDY}.evaluation.pareto_shifts",
                f"{shift} is not run; allowed, of shifts: {', '.join(map(str, own.shifts))}",
            )


def _kappa_can_be_reached(own: Config, _: Any) -> Iterator[Problem]:
    actions = own.world.actions
    for kappa in own.evaluation.kappas:
        if kappa >= math.log(actions):
            yield (
                f"{STUDY}.evaluation.kappa",
                f"{kappa} nats is further from a uniform reference than any policy over {actions} "
                f"actions; allowed: below log {actions} = {math.log(actions):.4g}",
            )


def _overridden_methods_exist(own: Config, config: Any) -> Iterator[Problem]:
    return checks.overridden_methods_exist(STUDY, own.overrides, config)


def _overriding_options_fit(own: Config, config: Any) -> Iterator[Problem]:
    for label in own.overrides:
        problem = _misfit(label, own, config)
        if problem:
            yield f"{STUDY}.overrides.{label}.options", problem


def _misfit(label: str, own: Config, config: Any) -> str | None:
    """What is wrong with the options that take the place of a method's own, or None."""
    override, method = own.overrides.get(label), config.methods.get(label)
    if override is None or method is None:
        return None
    try:
        objectives.check_options(method.objective, override.options or {})
    except Unusable:
        return None
    except ValueError as error:
        return str(error)
    return None


def _methods_fit(own: Config, config: Any) -> Iterator[Problem]:
    yield from checks.learns_from_pairs(STUDY, own.methods, config)
    for label, _, constants, _ in checks.grid(own.methods, config):
        if constants.beyond_pairs() is None and not constants.needs["reference_logps"]:
            yield (
                f"{STUDY}.methods",
                f"{label!r} uses no reference but the lengths of texts; this study's responses are "
                "single actions, so it is for language models only",
            )
        override = own.overrides.get(label)
        own_size = override is not None and override.batch_size is not None
        place = f"overrides.{label}" if own_size else "training"
        batch_size = own.training_of(label).batch_size
        yield from checks.has_company(f"{STUDY}.{place}.batch_size", batch_size, constants)


def _methods_leave_their_warm_start(own: Config, config: Any) -> Iterator[Problem]:
    for label, _, constants, _ in checks.grid(own.methods, config):
        if _misfit(label, own, config):
            continue
        options = constants.defaults | own.options_of(label, config.methods[label].options)
        training = own.training_of(label)
        if "warm_start_epochs" not in options:
            continue
        for n in own.n:
            in_epoch = lengths.steps_per_epoch(n, training.batch_size)
            problem = bounds.warm_start_problem(
                options["warm_start_epochs"], in_epoch, training.epochs * in_epoch
            )
            if problem:
                yield f"{STUDY}.methods", f"{label!r}: {problem}"
                break


CHECKS: tuple[Callable[[Config, Any], Iterator[Problem]], ...] = (
    _no_label_is_the_oracles,
    _drawn_shifts_are_in_the_grid,
    _kappa_can_be_reached,
    _overridden_methods_exist,
    _overriding_options_fit,
    _methods_fit,
    _methods_leave_their_warm_start,
)
