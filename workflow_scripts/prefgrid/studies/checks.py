"""Checks that studies share: what they ask of their methods, of the device, of the tiny world.

Each takes the key that its message is about, or the study's name, and the whole config.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from prefgrid.config import judges, objectives
from prefgrid.config.fields import Problem, Section, Unusable
from prefgrid.config.suggestions import allowed
from prefgrid.config.training import Lora, Training
from prefgrid.limits import bounds, lengths, tiny_world

# What knows the tiny world's language, and no other.
TINY = "prefgrid.tinyworld."


class Trained(NamedTuple):
    """A method of a grid: its name, its training, its objective's literals, all of its options."""

    label: str
    training: Training
    constants: objectives.Constants
    options: dict[str, Any]


def grid(labels: Iterable[str], config: Any) -> Iterator[Trained]:
    """Each of the methods whose values are usable: one that is wrong hides no other."""
    for label in labels:
        try:
            method = config.methods[label]
            constants = objectives.constants(method.objective)
            found = Trained(
                label,
                config.training_of(method.training),
                constants,
                constants.defaults | method.options,
            )
        except Unusable:
            continue
        yield found


def scores_responses(key: str, label: str, config: Any) -> Iterator[Problem]:
    """For a judge that gives each response a reward; key: where the study names it."""
    judge = config.judges.get(label)
    if judge is not None and judges.compares(judge.judge):
        yield (
            key,
            f"{label!r} compares responses (COMPARES in judge {judge.judge!r}) and scores none, but this "
            "study needs a reward for each; allowed: a judge that scores",
        )


def learns_from_pairs(study: str, labels: Iterable[str], config: Any) -> Iterator[Problem]:
    """For a study that offers one preference on two responses."""
    for one in grid(labels, config):
        needed = one.constants.beyond_pairs()
        if needed:
            yield (
                f"{study}.methods",
                f"{one.label!r} needs {needed}; this study offers labels on 2",
            )


def leaves_its_warm_start(
    labels: Iterable[str], sizes: Sequence[int], config: Any
) -> Iterator[Problem]:
    """For training on each of `sizes` pairs."""
    for label, training, _, options in grid(labels, config):
        if "warm_start_epochs" not in options:
            continue
        # With a fixed number of steps the largest n has the longest epoch, else rounding decides.
        for n in sorted(sizes):
            problem = bounds.warm_start_problem(
                options["warm_start_epochs"],
                lengths.steps_per_epoch(n, training.batch_size),
                lengths.steps(n, training.batch_size, training.epochs, training.max_steps),
            )
            if problem:
                yield f"methods.{label}", f"at n = {n} {problem}"
                break


def learns_at_every_step(
    labels: Iterable[str], sizes: Sequence[int], config: Any
) -> Iterator[Problem]:
    """For training on each of `sizes` pairs: the warm-up ends, and the rate is not 0 before the end."""
    for label, training, _, _ in grid(labels, config):
        place = f"methods.{label}.training" if config.methods[label].training else "training"
        fewest, most = (
            lengths.steps(n, training.batch_size, training.epochs, training.max_steps)
            for n in (min(sizes), max(sizes))
        )
        yield from rate_is_reached(
            place, training, (f"at n = {min(sizes)}", fewest), (f"at n = {max(sizes)}", most)
        )


def has_company(place: str, batch_size: int, constants: objectives.Constants) -> Iterator[Problem]:
    """For an objective in whose steps groups are compared with each other; `place` is where the size stands."""
    if constants.needs["coupled"] and batch_size < 2:
        yield (
            place,
            f"{batch_size} leaves nothing to compare: the loss is over several groups of a step; "
            "allowed: at least 2",
        )


def targets_exist(labels: Iterable[str], config: Any) -> Iterator[Problem]:
    """For policies that are adapters."""
    for one in grid(labels, config):
        if one.training.lora is not None:
            place = f"methods.{one.label}.training"
            yield from layers_exist(place, one.training.lora, config)


def layers_exist(place: str, lora: Lora, config: Any) -> Iterator[Problem]:
    """For the adapter of the training that stands at `place`, where planning knows the model's layers."""
    if config.world != "tiny" or lora.targets == "all-linear":
        return
    blocks = range(config.tiny_world.base.architecture.num_hidden_layers)
    paths = [f".{tiny_world.BLOCK}.{k}.{layer}" for k in blocks for layer in tiny_world.LAYERS]
    names = [layer.rpartition(".")[2] for layer in tiny_world.LAYERS]
    for name in lora.targets:
        if not any(path.endswith(f".{name}") for path in paths):
            yield (
                f"{place}.lora.targets",
                f"the tiny world's models have no linear layer {name!r}; {allowed(name, names)}",
            )


def fits_the_device(
    labels: Iterable[str], config: Any, *, alone: bool = False
) -> Iterator[Problem]:
    """For policies that are trained on the run's devices; alone: on one of them."""
    for one in grid(labels, config):
        place = f"methods.{one.label}.training"
        yield from float16_has_a_gpu(place, one.training.precision, config)
        if not alone:
            yield from enough_for_the_devices(place, one.training.batch_size, config)
        yield from has_company(f"{place}.batch_size", one.training.batch_size, one.constants)


def float16_has_a_gpu(place: str, precision: str | None, config: Any) -> Iterator[Problem]:
    """For what runs in the `precision` that stands at `place`."""
    if precision == "fp16" and config.execution.gpus_per_job < 1:
        yield (
            f"{place}.precision",
            "fp16 needs a GPU: set execution.gpus_per_job to 1; allowed without: none, bf16",
        )


def enough_for_the_devices(place: str, batch_size: int, config: Any) -> Iterator[Problem]:
    """For training whose steps have `batch_size` examples, as stands at `place`."""
    devices = config.execution.gpus_per_job
    if batch_size < devices:
        yield (
            f"{place}.batch_size",
            f"{batch_size} leaves devices without work; allowed: at least "
            f"execution.gpus_per_job = {devices}",
        )


def prompts_exist(key: str, asked: int, config: Any) -> Iterator[Problem]:
    """For a study that asks for so many prompts of the tiny world, in all pools together."""
    prompts = config.tiny_world.data.prompts
    if config.world == "tiny" and asked > prompts:
        yield (
            key,
            f"train + eval = {asked} prompts are asked for; allowed: at most "
            f"tiny_world.data.prompts = {prompts}",
        )


def response_fits(key: str, longest: int, config: Any) -> Iterator[Problem]:
    """For responses of at most `longest` tokens."""
    if longest > config.max_response_tokens:
        yield (
            key,
            f"{longest} exceeds max_response_tokens = {config.max_response_tokens}; "
            "responses are never cut after sampling, so raise that limit or lower this one",
        )


def rate_is_reached(
    place: str, training: Training, shortest: tuple[str, int], longest: tuple[str, int]
) -> Iterator[Problem]:
    """For trainings of a shortest and a longest number of steps, each with where it is that: the warm-up
    ends in the shortest, and the rate is not 0 before the longest ends."""
    if problem := bounds.warm_up_problem(training, shortest[1]):
        yield place, f"{shortest[0]} {problem}"
    if training.learning_rate_schedule != "constant" and (
        problem := bounds.standstill_problem(training, longest[1])
    ):
        yield place, f"{longest[0]} {problem}"


def overridden_methods_exist(
    study: str, overrides: Iterable[str], config: Any
) -> Iterator[Problem]:
    """For a study whose section `overrides` what some methods are."""
    for label in overrides:
        if label not in config.methods:
            yield (
                f"{study}.overrides",
                f"unknown label {label!r}; {allowed(label, config.methods)} (see methods)",
            )


def overrides_fit(
    place: str, model: type[Section], build: Callable[[], Section]
) -> Iterator[Problem]:
    """For overrides that stand at `place` and that `build` puts on top of a section, a `model`."""
    try:
        build()
    except ValidationError as error:
        yield from told(error, place, model)


def told(error: ValidationError, place: str, model: type[Section]) -> Iterator[Problem]:
    """What is wrong with a dictionary of overrides, on top of what it overrides."""
    for one in error.errors():
        message = f"{one['input']!r} {one['msg'].replace('Input should', 'should')}"
        if one["type"] == "extra_forbidden":
            message = f"unknown key; {allowed(str(one['loc'][-1]), model.model_fields)}"
        if one["type"] == "value_error":
            message = str(one["ctx"]["error"])
        yield ".".join(map(str, (place, *one["loc"]))), message
