"""Checks of the grid's methods against their objective, their training and the device."""

from collections.abc import Callable, Iterator
from typing import Any

from prefgrid.config import objectives
from prefgrid.config.fields import Problem, Raw
from prefgrid.config.merging import merged
from prefgrid.limits import lengths


def _fit_the_study(raw: Raw) -> Iterator[Problem]:
    for label, _, constants in _grid(raw):
        needs = constants["NEEDS"]
        if (needs["targets"], needs["responses"]) != ("labels", 2):
            yield (
                "link_robustness.methods",
                f"{label!r} needs {needs['targets']} on {needs['responses']} responses; this study "
                "offers labels on 2",
            )


def _leave_their_warm_start(raw: Raw) -> Iterator[Problem]:
    for label, training, constants in _grid(raw):
        options = constants["OPTIONS"] | raw["methods"][label]["options"]
        try:
            found = _warm_start_problem(options, training, raw["link_robustness"]["n"])
        except (KeyError, TypeError, ZeroDivisionError):
            continue  # the schema has already said what is wrong with these values
        if found:
            yield f"methods.{label}", found


def _warm_start_problem(
    options: dict[str, Any], training: dict[str, Any], sizes: list[int]
) -> str | None:
    if "warm_start_epochs" not in options:
        return None
    if (training["epochs"] is None) == (training["max_steps"] is None):
        return None  # the schema has already said so
    # With a fixed number of steps the largest n has the longest epoch, else rounding decides.
    for n in sorted(sizes):
        problem = lengths.warm_start_problem(
            options["warm_start_epochs"],
            lengths.steps_per_epoch(n, training["batch_size"]),
            lengths.steps(n, training["batch_size"], training["epochs"], training["max_steps"]),
        )
        if problem:
            return f"at n = {n} {problem}"
    return None


def _are_adapters(raw: Raw) -> Iterator[Problem]:
    for label, training, _ in _grid(raw):
        if training["lora"] is None:
            yield (
                f"methods.{label}.training.lora",
                "is null (there or in training), but a policy of the grid is an adapter; "
                "allowed: rank, alpha, dropout, targets",
            )


def _float16_has_a_gpu(raw: Raw) -> Iterator[Problem]:
    if raw["execution"]["gpus_per_job"] >= 1:
        return
    places = {f"methods.{label}.training": training for label, training, _ in _grid(raw)}
    places["reward"] = raw["reward"]
    # The reference is sampled and scored in this one, whatever the labels override.
    places["training"] = raw["training"]
    sft = raw["reference"]["sft"]
    if sft is not None:
        places["reference.sft.training"] = merged(raw["training"], sft["training"])
    for place, section in places.items():
        if section["precision"] == "fp16":
            yield (
                f"{place}.precision",
                "fp16 needs a GPU: set execution.gpus_per_job to 1; allowed without: none, bf16",
            )


def _steps_keep_all_devices_busy(raw: Raw) -> Iterator[Problem]:
    devices = raw["execution"]["gpus_per_job"]
    places = {f"methods.{label}.training": training for label, training, _ in _grid(raw)}
    sft = raw["reference"]["sft"]
    if sft is not None:
        places["reference.sft.training"] = merged(raw["training"], sft["training"])
    for place, training in places.items():
        if training["batch_size"] < devices:
            yield (
                f"{place}.batch_size",
                f"{training['batch_size']} leaves devices without work; allowed: at least "
                f"execution.gpus_per_job = {devices}",
            )


def _grid(raw: Raw) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(label, its training, its objective's literals) of each method of the grid that has them."""
    for label in raw["link_robustness"]["methods"]:
        try:
            method = raw["methods"][label]
            training = merged(raw["training"], method["training"])
            constants = objectives.constants(method["objective"])
        except (KeyError, TypeError, ValueError):
            continue  # an unknown label or objective is reported where it is written
        yield label, training, constants


CHECKS: tuple[Callable[[Raw], Iterator[Problem]], ...] = (
    _fit_the_study,
    _leave_their_warm_start,
    _are_adapters,
    _float16_has_a_gpu,
    _steps_keep_all_devices_busy,
)
