"""Checks that compare the keys of `single_index` with each other and with `methods`."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from prefgrid.config import objectives
from prefgrid.config.fields import Problem, Raw
from prefgrid.limits import lengths

STUDY = "single_index"
# `single_index.names.ORACLE`, which stands above this layer; a test compares the two.
ORACLE = "oracle"


def _no_label_is_the_oracles(raw: Raw) -> Iterator[Problem]:
    if ORACLE in raw[STUDY]["methods"]:
        yield (
            f"{STUDY}.methods",
            f"{ORACLE!r} is the tables' name for the scanned true reward; allowed: other labels",
        )


def _drawn_shifts_are_in_the_grid(raw: Raw) -> Iterator[Problem]:
    study = raw[STUDY]
    for shift in study["evaluation"]["pareto_shifts"]:
        if shift not in study["shifts"]:
            yield (
                f"{STUDY}.evaluation.pareto_shifts",
                f"{shift} is not run; allowed: {', '.join(map(str, study['shifts']))}",
            )


def _kappa_can_be_reached(raw: Raw) -> Iterator[Problem]:
    kappa, actions = raw[STUDY]["evaluation"]["kappa"], raw[STUDY]["world"]["actions"]
    if actions > 1 and kappa >= math.log(actions):
        yield (
            f"{STUDY}.evaluation.kappa",
            f"{kappa} nats is further from a uniform reference than any policy over {actions} "
            f"actions; allowed: below log {actions} = {math.log(actions):.4g}",
        )


def _overriding_options_fit(raw: Raw) -> Iterator[Problem]:
    for label, override in raw[STUDY]["overrides"].items():
        try:
            objective = raw["methods"][label]["objective"]
            objectives.check_options(objective, override.get("options") or {})
        except (KeyError, TypeError, AttributeError):
            continue
        except ValueError as error:
            yield f"{STUDY}.overrides.{label}.options", str(error)


def _fit_the_study(raw: Raw) -> Iterator[Problem]:
    for label, constants in _grid(raw):
        needs = constants["NEEDS"]
        if (needs["targets"], needs["responses"]) != ("labels", 2):
            yield (
                f"{STUDY}.methods",
                f"{label!r} needs {needs['targets']} on {needs['responses']} responses; this study "
                "offers labels on 2",
            )
        elif not needs["reference_logps"]:
            yield (
                f"{STUDY}.methods",
                f"{label!r} uses no reference but the lengths of texts; this study's responses are "
                "single actions, so it is for language models only",
            )


def _leave_their_warm_start(raw: Raw) -> Iterator[Problem]:
    study = raw[STUDY]
    for label, constants in _grid(raw):
        override = study["overrides"].get(label) or {}
        own = raw["methods"][label]["options"]
        replaced = override.get("options")
        options = constants["OPTIONS"] | (own if replaced is None else replaced)
        training = study["training"] | {k: v for k, v in override.items() if k != "options"}
        if "warm_start_epochs" not in options:
            continue
        if min(training["epochs"], training["batch_size"]) < 1:
            continue  # the schema has already said so
        problem = _warm_start_problem(options["warm_start_epochs"], training, study["n"])
        if problem:
            yield f"{STUDY}.methods", f"{label!r}: {problem}"


def _warm_start_problem(epochs: float, training: dict[str, Any], sizes: list[int]) -> str | None:
    for n in sizes:
        in_epoch = lengths.steps_per_epoch(n, training["batch_size"])
        problem = lengths.warm_start_problem(epochs, in_epoch, training["epochs"] * in_epoch)
        if problem:
            return problem
    return None


def _grid(raw: Raw) -> Iterator[tuple[str, dict[str, Any]]]:
    """(label, its objective's literals) of each method of the study that has them."""
    for label in raw[STUDY]["methods"]:
        try:
            yield label, objectives.constants(raw["methods"][label]["objective"])
        except (KeyError, TypeError, ValueError):
            continue  # an unknown label or objective is reported where it is written


CHECKS: tuple[Callable[[Raw], Iterator[Problem]], ...] = (
    _no_label_is_the_oracles,
    _drawn_shifts_are_in_the_grid,
    _kappa_can_be_reached,
    _overriding_options_fit,
    _fit_the_study,
    _leave_their_warm_start,
)
