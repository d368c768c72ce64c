"""Checks that compare the keys of `self_play` with each other and with what the config trains."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from prefgrid.config import objectives
from prefgrid.config.fields import Problem, Unusable
from prefgrid.config.suggestions import allowed
from prefgrid.studies import checks
from prefgrid.studies.self_play import compat
from prefgrid.studies.self_play.config import Config
from prefgrid.studies.self_play.judge_checks import JUDGES

STUDY = "self_play"
# What an iteration can tell a method about its responses.
TARGETS = ("win_probabilities", "scores", "pair_probabilities", "labels")
REINFORCE = objectives.module_name("reinforce")
PAIRS = ("best_worst", "best_random", "above")


def _the_methods_are_there(own: Config, config: Any) -> Iterator[Problem]:
    for place, row in enumerate(own.grid):
        for label in row.methods:
            if label not in config.methods:
                yield (
                    f"{STUDY}.grid.{place}.methods",
                    f"unknown label {label!r}; {allowed(label, config.methods)} (see methods)",
                )
    if own.baseline not in own.methods:
        yield (
            f"{STUDY}.baseline",
            f"{own.baseline!r} is not run; allowed: {', '.join(own.methods)}",
        )


def _the_overrides_fit(own: Config, config: Any) -> Iterator[Problem]:
    yield from checks.overridden_methods_exist(STUDY, own.overrides, config)
    for label in own.overrides:
        for key, override in (("targets", own.targets_of), ("selection", own.selection_of)):
            place, model = f"{STUDY}.overrides.{label}.{key}", type(getattr(own, key))
            yield from checks.overrides_fit(place, model, lambda f=override, one=label: f(one))


def _what_is_published_is_not_set_otherwise(own: Config, _: Any) -> Iterator[Problem]:
    _whole(own)
    for key, message in compat.conflicts(own):
        yield f"{STUDY}.{key}", message


def _methods_learn_from_what_there_is(own: Config, config: Any) -> Iterator[Problem]:
    """By targets and pairs as `compat` has them."""
    _whole(own)
    study = compat.applied(own)
    for one in checks.grid(_known(own, config), config):
        needs, chosen = one.constants.needs, study.selection_of(one.label)
        mode = chosen.mode
        objective = objectives.module_name(config.methods[one.label].objective)
        missing = _missing(one, objective)
        if missing:
            yield (
                f"{STUDY}.grid",
                f"{one.label!r} needs {missing}, which no iteration has; allowed: methods on "
                f"{', '.join(TARGETS)}",
            )
        elif needs["responses"] == 2 and mode not in PAIRS:
            yield (
                _written(own, one.label, "mode"),
                f"{mode!r} leaves groups of up to K responses, and {one.label!r} learns from pairs; allowed: "
                f"{', '.join(PAIRS)}, for it alone by overrides.{one.label}",
            )
        elif objectives.estimates_log_z(one.options):
            whole = {"mode": "all", "drop_duplicates": False, "drop_truncated": False}
            for key, wanted in whole.items():
                if getattr(chosen, key) != wanted:
                    yield (
                        _written(own, one.label, key),
                        f"{key} = {getattr(chosen, key)!r} leaves out responses, and baseline 'log_z' of "
                        f"{one.label!r} is an estimate only from all that were drawn; allowed: {wanted!r}, "
                        f"for it alone by overrides.{one.label}",
                    )


def _written(own: Config, label: str, key: str) -> str:
    """Where a key of a method's selection is written: in its overrides, in `compat`, or for all."""
    override = own.overrides.get(label)
    if override is not None and key in override.selection:
        return f"{STUDY}.overrides.{label}.selection.{key}"
    set_so = f"selection.{key}" in compat.KEYS[own.compat]
    return f"{STUDY}.compat" if set_so else f"{STUDY}.selection.{key}"


def _missing(one: checks.Trained, objective: str) -> str | None:
    """What a method needs and no iteration has, in words; None if nothing."""
    needs, options = one.constants.needs, one.options
    if needs["targets"] not in TARGETS:
        return f"targets {needs['targets']!r}"
    # The regression of `softpo` needs these by its options alone.
    if needs.get("sampling_logps", False) or options.get("loss") == "wmle":
        return "the log-probabilities that responses were sampled with"
    if options.get("value") == "given":
        return "a value of each prompt (value: given)"
    if "cross_entropy" in str(options.get("loss")):
        return f"scores of at most 0 (loss: {options['loss']})"
    if options.get("link_shift", 0.0) is None:
        return "the link that preferences were drawn from (link_shift: null)"
    if objective == REINFORCE:
        return "responses of the policy as it stands at each step"
    return None


def _whole_models_are_small(own: Config, config: Any) -> Iterator[Problem]:
    for label, training, _, _ in checks.grid(_known(own, config), config):
        if config.world == "hub" and training.lora is None:
            yield (
                f"methods.{label}.training.lora",
                "is null: all weights of a hub model, in every iteration, need sharding over devices, which is "
                "not here yet; allowed: an adapter",
            )


def _trainings_fit(own: Config, config: Any) -> Iterator[Problem]:
    labels = _known(own, config)
    yield from checks.targets_exist(labels, config)
    yield from checks.fits_the_device(labels, config)
    count = own.prompts.per_iteration
    # Another number of rows is known to the job alone.
    _whole(own)
    fixed = [label for label in labels if own.selection_of(label).mode != "above"]
    if count is not None:
        yield from checks.learns_at_every_step(fixed, [count], config)


def _the_files_are_as_many_as_the_iterations(own: Config, _: Any) -> Iterator[Problem]:
    files = own.prompts.sources
    if files is None:
        return
    if len(files) != own.iterations:
        yield (
            f"{STUDY}.prompts.sources",
            f"{len(files)} files for {own.iterations} iterations; allowed: one an iteration",
        )
    if own.prompts.parts == "same":
        yield (
            f"{STUDY}.prompts.parts",
            "'same' contradicts sources, a file an iteration; allowed: disjoint, or sources: null",
        )


def _there_are_prompts(own: Config, config: Any) -> Iterator[Problem]:
    prompts, evaluation = own.prompts, own.evaluation
    if prompts.per_iteration is not None and own.generation.shards > prompts.per_iteration:
        yield (
            f"{STUDY}.generation.shards",
            f"{own.generation.shards} shards for {prompts.per_iteration} prompts an iteration; allowed: at "
            "most one a prompt",
        )
    best = evaluation.best
    if best is not None and best.prompts > evaluation.prompts:
        yield (
            f"{STUDY}.evaluation.best.prompts",
            f"{best.prompts} have no samples of the base to be compared with; allowed: at most "
            f"evaluation.prompts = {evaluation.prompts}",
        )
    if prompts.sources is None:
        parts = own.iterations if prompts.parts == "disjoint" else 1
        asked = (prompts.per_iteration or 1) * parts + evaluation.prompts
        yield from checks.prompts_exist(f"{STUDY}.prompts.per_iteration", asked, config)


def _responses_fit(own: Config, config: Any) -> Iterator[Problem]:
    for key in ("generation", "evaluation"):
        longest = getattr(own, key).max_new_tokens
        yield from checks.response_fits(f"{STUDY}.{key}.max_new_tokens", longest, config)


def _a_cell_is_one_run(own: Config, _: Any) -> Iterator[Problem]:
    for judge, count in Counter(row.judge for row in own.grid).items():
        if count > 1:
            yield (
                f"{STUDY}.grid",
                f"{judge!r} has {count} rows, which would be the same cells; allowed: one row a judge, with all "
                "of its methods",
            )


def _whole(own: Config) -> None:
    """Unusable unless the section is right by itself, overrides among it."""
    try:
        section = Config.model_validate(own.model_dump())
        for label in section.overrides:
            section.targets_of(label)
            section.selection_of(label)
    except ValidationError:
        raise Unusable from None


def _known(own: Config, config: Any) -> list[str]:
    return [label for label in own.methods if label in config.methods]


CHECKS: tuple[Callable[[Config, Any], Iterator[Problem]], ...] = (
    *JUDGES,
    _the_methods_are_there,
    _the_overrides_fit,
    _what_is_published_is_not_set_otherwise,
    _methods_learn_from_what_there_is,
    _whole_models_are_small,
    _trainings_fit,
    _the_files_are_as_many_as_the_iterations,
    _there_are_prompts,
    _responses_fit,
    _a_cell_is_one_run,
)
