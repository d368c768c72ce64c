"""Checks that compare the keys of `soft_policy` with each other and with `methods`."""

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from prefgrid.config import objectives
from prefgrid.config.fields import Problem, Unusable
from prefgrid.config.training import Training
from prefgrid.limits import bounds
from prefgrid.studies import checks
from prefgrid.studies.soft_policy.config import Config, Drawing

STUDY = "soft_policy"
# A group's own mean needs company.
LEAST_OF_A_GROUP = 2
REINFORCE = objectives.module_name("reinforce")


def _numbers_are_in_the_range(own: Config, _: Any) -> Iterator[Problem]:
    lo, hi = own.task.lo, own.task.hi
    if lo >= hi:
        yield f"{STUDY}.task.lo", f"{lo} is not below hi = {hi}; allowed: lo < hi"
        return
    listed = {"targets": own.targets}
    if "peaked" in own.references:
        listed["reference.center"] = [own.reference.center]
    for key, numbers in listed.items():
        for number in numbers:
            if not lo <= number <= hi:
                yield (
                    f"{STUDY}.{key}",
                    f"{number} is no answer; allowed: task.lo to task.hi, {lo} to {hi}",
                )


def _samples_fit(own: Config, config: Any) -> Iterator[Problem]:
    return checks.response_fits(f"{STUDY}.task.max_new_tokens", own.task.max_new_tokens, config)


def _many_targets_are_there(own: Config, _: Any) -> Iterator[Problem]:
    asked, there = own.many.trained + own.many.tested, own.task.hi - own.task.lo + 1
    if asked > there > 0:
        yield (
            f"{STUDY}.many",
            f"trained + tested = {asked} targets of {there} numbers; allowed: at most {there}",
        )
    if own.many.tested and not own.many.trained:
        yield (
            f"{STUDY}.many.tested",
            f"{own.many.tested} targets to test, but none to train on; allowed: 0, or trained above 0",
        )


def _the_reference_can_write_numbers(own: Config, config: Any) -> Iterator[Problem]:
    if config.world == "tiny" and "model" in own.references:
        yield (
            f"{STUDY}.references",
            "'model', but the tiny world's reference cannot write numbers; allowed: uniform, peaked",
        )


def _the_reference_can_be_taught(own: Config, config: Any) -> Iterator[Problem]:
    place = f"{STUDY}.reference.training"
    try:
        training = config.training_of(own.reference.training)
    except ValidationError as error:
        yield from checks.told(error, place, Training)
        return
    if all(kind == "model" for kind in own.references):
        return
    yield from checks.float16_has_a_gpu(place, training.precision, config)
    if training.lora is not None:
        yield from checks.layers_exist(place, training.lora, config)
    if training.max_steps is None:
        reason = "is null, but answers are drawn without end; allowed: a number of steps"
        yield f"{place}.max_steps", reason
    else:
        length = f"in {STUDY}", training.max_steps
        yield from checks.rate_is_reached(place, training, length, length)


def _overridden_methods_exist(own: Config, config: Any) -> Iterator[Problem]:
    return checks.overridden_methods_exist(STUDY, own.overrides, config)


def _overriding_drawings_are_valid(own: Config, _: Any) -> Iterator[Problem]:
    for label in own.overrides:
        try:
            own.drawing_of(label)
        except ValidationError as error:
            yield from checks.told(error, f"{STUDY}.overrides.{label}.drawing", Drawing)


def _drawn(own: Config, config: Any) -> Iterator[tuple[str, str, checks.Trained, Drawing]]:
    """(label, place of its drawing, the method, its drawing) of each whose values are usable."""
    for method in checks.grid(own.methods, config):
        overridden = bool(own.override(method.label).drawing)
        place = f"overrides.{method.label}.drawing" if overridden else "drawing"
        try:
            yield method.label, f"{STUDY}.{place}", method, own.drawing_of(method.label)
        except (ValidationError, Unusable):
            continue


def _mixes_are_whole(own: Config, config: Any) -> Iterator[Problem]:
    for label, place, _, drawing in _drawn(own, config):
        shares = drawing.mix.values()
        if not bounds.are_whole(shares):
            yield (
                f"{place}.mix",
                f"{drawing.mix} of {label!r} has the sum {sum(shares):g}; allowed: shares of sum 1, 0 for what "
                "shall not draw",
            )
        if "replay" in drawing.shares and "policy" not in drawing.shares:
            yield (
                f"{place}.mix",
                f"{label!r} replays samples of the policy, but draws none; allowed: replay beside policy",
            )


def _epochs_have_whole_steps(own: Config, config: Any) -> Iterator[Problem]:
    for label, place, method, drawing in _drawn(own, config):
        a_step = drawing.group_size * method.training.batch_size
        if drawing.samples % a_step:
            yield (
                f"{place}.samples",
                f"{drawing.samples} of {label!r} is no multiple of the {a_step} responses of a step "
                "(group_size × training.batch_size); allowed: a multiple",
            )
            continue
        steps = drawing.samples // a_step
        if steps % drawing.refresh_steps:
            yield (
                f"{place}.refresh_steps",
                f"{drawing.refresh_steps} of {label!r} does not divide the {steps} steps of an epoch "
                "(samples / (group_size × training.batch_size)); allowed: a divisor",
            )
        trained, length = f"methods.{label}.training", (f"in {STUDY}", drawing.epochs * steps)
        if method.training.schedule_epochs is not None:
            yield (
                trained,
                f"schedule_epochs is {method.training.schedule_epochs:g}, but {STUDY} draws its data as it "
                "trains; allowed: null, or schedule_steps",
            )
            continue
        yield from checks.rate_is_reached(trained, method.training, length, length)


def _patience_has_a_measure(own: Config, config: Any) -> Iterator[Problem]:
    for label, place, _, drawing in _drawn(own, config):
        if drawing.patience is not None and not drawing.keep_best:
            yield (
                f"{place}.patience",
                f"{drawing.patience} of {label!r}, but keep_best is false; allowed: null, or keep_best",
            )


def _methods_learn_from_scores(own: Config, config: Any) -> Iterator[Problem]:
    for label, place, method, drawing in _drawn(own, config):
        needs, options = method.constants.needs, method.options
        key = f"{STUDY}.methods"
        pairs = needs["targets"] == "labels" and needs["responses"] == LEAST_OF_A_GROUP
        if not pairs and (needs["targets"] != "scores" or needs["responses"] is not None):
            offered = "this study offers scores on any number of responses, or labels on 2"
            yield key, f"{label!r} needs {method.constants.beyond_pairs()}; {offered}"
        size = f"{place}.group_size", f"{drawing.group_size} of {label!r}"
        if pairs and drawing.group_size % LEAST_OF_A_GROUP:
            yield size[0], f"{size[1]}, which learns from pairs; allowed: an even number"
        if drawing.value == "group" and drawing.group_size < LEAST_OF_A_GROUP:
            reason = "value: group compares the responses of a group; allowed: at least 2"
            yield size[0], f"{size[1]}, but {reason}"
        start = options.get("beta_start")
        if start is not None and start < max(own.betas_of(label)):
            yield (
                f"methods.{label}.options.beta_start",
                f"{start} is below β = {max(own.betas_of(label)):g}, to which it falls; allowed: at "
                "least that, or null",
            )
        if "cross_entropy" in str(options.get("loss")) and own.task.r_invalid > 0:
            yield (
                f"{STUDY}.task.r_invalid",
                f"{own.task.r_invalid:g}, but {label!r} reads e^(score/β) as a probability (loss: "
                f"{options['loss']}); allowed: at most 0, or another loss",
            )


def _reinforce_learns_from_the_policy_as_it_stands(own: Config, config: Any) -> Iterator[Problem]:
    for label, place, _, drawing in _drawn(own, config):
        if objectives.module_name(config.methods[label].objective) != REINFORCE:
            continue
        reason = f"of {label!r}, whose gradient is right on fresh responses of the policy alone"
        if drawing.shares.keys() != {"policy"}:
            yield f"{place}.mix", f"{drawing.shares} {reason}; allowed: policy: 1"
        if drawing.refresh_steps > 1:
            yield f"{place}.refresh_steps", f"{drawing.refresh_steps} {reason}; allowed: 1"
        if drawing.group_size < LEAST_OF_A_GROUP:
            yield (
                f"{place}.group_size",
                f"{drawing.group_size} of {label!r}, whose baseline is the mean of a group's other "
                "responses; allowed: at least 2",
            )


def _links_can_be_fitted(own: Config, config: Any) -> Iterator[Problem]:
    for label, _, method, drawing in _drawn(own, config):
        place, options = f"methods.{label}", method.options
        if "link_shift" in options and options["link_shift"] is None:
            yield (
                f"{place}.options.link_shift",
                "is null, but preferences between numbers have no link that it could be filled in from; "
                "allowed: a number in [0, 1e4]",
            )
        if "warm_start_epochs" in options:
            # An epoch of the objective is over the groups that are held.
            steps = drawing.samples // (drawing.group_size * method.training.batch_size)
            problem = bounds.warm_start_problem(
                options["warm_start_epochs"], drawing.refresh_steps, drawing.epochs * steps
            )
            if problem:
                yield place, f"in {STUDY} {problem}"


def _methods_fit_the_device(own: Config, config: Any) -> Iterator[Problem]:
    """Its jobs take one device: a step is one group."""
    yield from checks.targets_exist(own.methods, config)
    yield from checks.fits_the_device(own.methods, config, alone=True)


CHECKS: tuple[Callable[[Config, Any], Iterator[Problem]], ...] = (
    _numbers_are_in_the_range,
    _samples_fit,
    _many_targets_are_there,
    _the_reference_can_write_numbers,
    _overridden_methods_exist,
    _overriding_drawings_are_valid,
    _the_reference_can_be_taught,
    _mixes_are_whole,
    _epochs_have_whole_steps,
    _patience_has_a_measure,
    _methods_learn_from_scores,
    _reinforce_learns_from_the_policy_as_it_stands,
    _links_can_be_fitted,
    _methods_fit_the_device,
)
