"""Checks that compare config keys with each other: the shared ones, and those of a run's studies.

A check is a function of typed sections. It ends where it asks for a value that is wrong by itself, which
is reported already; so one run reports every mistake.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prefgrid.config import judging
from prefgrid.config.fields import Problem, Section, Unusable
from prefgrid.config.reference import Sft
from prefgrid.config.suggestions import allowed
from prefgrid.limits import bounds, lengths, tiny_world
from prefgrid.plan import comparison_checks, preference_checks, world_checks
from prefgrid.plan.asked_judges import asked
from prefgrid.plan.schema import SCRIPTS, Config
from prefgrid.studies import registry
from prefgrid.studies.checks import enough_for_the_devices, float16_has_a_gpu, layers_exist


def problems(config: Config, packages: Mapping[str, str]) -> Iterator[Problem]:
    """All (key, message) pairs found in what is usable of a config; `packages`: those of the studies."""
    for check in CHECKS:
        yield from _until_unusable(check, config)
    for study, package in packages.items():
        yield from _until_unusable(_names_exist, study, config)
        try:
            own = tuple(registry.checks(package))
        except (ValueError, TypeError) as error:
            yield study, f"its CHECKS are no tuple of functions: {error}"
            continue
        for check in own:
            yield from _until_unusable(_of_the_study, check, study, config)


def _until_unusable(check: Callable[..., Iterator[Problem]], *values: Any) -> Iterator[Problem]:
    try:
        yield from check(*values)
    except Unusable:
        return


def _names_exist(study: str, config: Config) -> Iterator[Problem]:
    """What a section calls `methods`, `baseline` and `judge` names entries of the config."""
    section = config.section(study)
    fields = type(section).model_fields
    for key, kind, entries in (("judge", "judge", "judges"), ("methods", "label", "methods")):
        if key in fields:
            yield from _until_unusable(_entries_exist, study, key, kind, entries, config)
    if {"baseline", "methods"} <= fields.keys():
        ran = _listed(section.methods)
        for label in _listed(section.baseline):
            if label not in ran:
                yield f"{study}.baseline", f"{label!r} is not run; allowed: {', '.join(ran)}"


def _entries_exist(
    study: str, key: str, kind: str, entries: str, config: Config
) -> Iterator[Problem]:
    """For what a study's `key` names of the config's `entries`; `kind`: one of them in words."""
    for name in _listed(getattr(config.section(study), key)):
        known = getattr(config, entries)
        if name not in known:
            yield (
                f"{study}.{key}",
                f"unknown {kind} {name!r}; {allowed(name, known)} (see {entries})",
            )


def _listed(labels: str | Sequence[str] | None) -> Sequence[str]:
    """A section may have one label, several or none."""
    return [labels] if isinstance(labels, str) else labels or []


def _of_the_study(check: Any, study: str, config: Config) -> Iterator[Problem]:
    """A study's own check; of its `methods` it sees those that exist."""
    section: Section = config.section(study)
    if isinstance(section.__dict__.get("methods"), list):
        existing = [label for label in section.methods if label in config.methods]
        section = section.model_copy(update={"methods": existing})
    try:
        yield from ((key, message) for key, message in check(section, config))
    except Unusable:
        raise
    # A study is anybody's code.
    except Exception as error:
        yield study, f"its check {check.__name__} failed: {type(error).__name__}: {error}"


def _judges_ask_models_there_are(config: Config) -> Iterator[Problem]:
    known = [*judging.models(config), *config.preference_models]
    for label, judge in asked(config).items():
        if judge.model is not None and judge.model not in known:
            yield (
                f"judges.{label}.model",
                f"unknown model {judge.model!r}; {allowed(judge.model, known)} (see hub.models.judges, "
                "preference_models)",
            )


def _models_of_judges_have_names_of_their_own(config: Config) -> Iterator[Problem]:
    taken = {*judging.WORLDS, *config.preference_models}
    for label in judging.fetched(config):
        if label in taken:
            yield (
                f"hub.models.judges.{label}",
                f"{label!r} is another model's name; allowed: any but {', '.join(sorted(taken))}",
            )


def _judges_have_room(config: Config) -> Iterator[Problem]:
    for label, judge in asked(config).items():
        options, place = judge.all_options, f"judges.{label}.options.max_tokens"
        most, prompt = options.get("max_tokens"), options.get("max_prompt_tokens")
        if most is None:
            continue
        if most <= config.max_response_tokens:
            yield (
                place,
                f"{most} leaves no room for a prompt; allowed: more than max_response_tokens = "
                f"{config.max_response_tokens}",
            )
        elif prompt is not None and most <= prompt + config.max_response_tokens:
            yield (
                place,
                f"{most} leaves no room for a response behind a prompt that is cut to "
                f"{prompt}; allowed: more than max_prompt_tokens + max_response_tokens = "
                f"{prompt + config.max_response_tokens}",
            )


def _judges_fit_the_device(config: Config) -> Iterator[Problem]:
    for label, judge in asked(config).items():
        precision = judge.all_options.get("precision")
        yield from float16_has_a_gpu(f"judges.{label}.options", precision, config)


def _training_fits_the_device(config: Config) -> Iterator[Problem]:
    # The reference is sampled and scored in this precision, whatever the methods override.
    yield from float16_has_a_gpu("training", config.training.precision, config)


def _the_reference_fits_the_device(config: Config) -> Iterator[Problem]:
    if config.reference.sft is not None:
        training = config.training_of(config.reference.sft.training)
        yield from float16_has_a_gpu("reference.sft.training", training.precision, config)
        yield from enough_for_the_devices("reference.sft.training", training.batch_size, config)


def _the_references_adapter_has_layers(config: Config) -> Iterator[Problem]:
    if config.reference.sft is not None:
        lora = config.training_of(config.reference.sft.training).lora
        if lora is not None:
            yield from layers_exist("reference.sft.training", lora, config)


def _the_reference_leaves_its_warm_up(config: Config) -> Iterator[Problem]:
    """By the most examples there can be; the job, which knows how many fit, asks again."""
    sft = config.reference.sft
    if sft is None:
        return
    training = config.training_of(sft.training)
    examples = _most_examples(sft, config)
    if examples is None and training.max_steps is None:
        return
    steps = lengths.steps(examples or 1, training.batch_size, training.epochs, training.max_steps)
    problem = bounds.warm_up_problem(training, steps)
    if problem:
        counted = (
            ""
            if examples is None
            else f"over at most {examples} examples (prompts {sft.prompts}, completions {sft.completions}) "
        )
        yield "reference.sft.training", counted + problem


def _most_examples(sft: Sft, config: Config) -> int | None:
    """None where only the data say it."""
    tiny = config.world == "tiny"
    prompts = sft.prompts
    if tiny:
        prompts = min(config.tiny_world.data.prompts, prompts or tiny_world.PROMPTS)
    if prompts is None or sft.completions == "best":
        return prompts
    return tiny_world.COMPLETIONS * prompts if tiny else None


def _threads_are_of_scripts(config: Config) -> Iterator[Problem]:
    for name in config.execution.torch_threads_of:
        if name not in SCRIPTS:
            yield (
                "execution.torch_threads_of",
                f"unknown script {name!r}; {allowed(name, SCRIPTS)}",
            )


def _shares_are_of_devices(config: Config) -> Iterator[Problem]:
    execution = config.execution
    if execution.gpus_per_job == 0 and execution.jobs_per_gpu > 1:
        yield (
            "execution.jobs_per_gpu",
            f"{execution.jobs_per_gpu} jobs share a device, but execution.gpus_per_job is 0; "
            "allowed on the CPU: 1",
        )


CHECKS: tuple[Callable[[Config], Iterator[Problem]], ...] = (
    _judges_ask_models_there_are,
    _models_of_judges_have_names_of_their_own,
    _judges_have_room,
    _judges_fit_the_device,
    _training_fits_the_device,
    _the_reference_fits_the_device,
    _the_references_adapter_has_layers,
    _the_reference_leaves_its_warm_up,
    *world_checks.CHECKS,
    *comparison_checks.CHECKS,
    *preference_checks.CHECKS,
    _threads_are_of_scripts,
    _shares_are_of_devices,
)
