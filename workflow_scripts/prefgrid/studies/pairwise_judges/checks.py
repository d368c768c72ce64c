"""Checks that compare the keys of `pairwise_judges` with each other and with the config's judges and sets."""

from collections.abc import Callable, Iterator
from typing import Any

from prefgrid.config.fields import Problem
from prefgrid.config.suggestions import allowed
from prefgrid.studies import checks
from prefgrid.studies.pairwise_judges.config import Config

STUDY = "pairwise_judges"


def _names_exist(own: Config, config: Any) -> Iterator[Problem]:
    for section in ("preference_models", "judges", "comparisons"):
        known = getattr(config, section)
        for label in getattr(own, section):
            if label not in known:
                yield (
                    f"{STUDY}.{section}",
                    f"unknown label {label!r}; {allowed(label, known)} (see {section})",
                )


def _the_tiny_world_s_own_stay_there(own: Config, config: Any) -> Iterator[Problem]:
    if config.world == "tiny":
        return
    for section in ("judges", "comparisons"):
        known = getattr(config, section)
        tiny = [
            label
            for label in getattr(own, section)
            if label in known and known[label].module.startswith(checks.TINY)
        ]
        if tiny:
            yield (
                f"{STUDY}.{section}",
                f"{', '.join(tiny)}: of the tiny world's language, and this is world: {config.world}; "
                "allowed: others",
            )


def _something_is_measured(own: Config, _: Any) -> Iterator[Problem]:
    if not own.preference_models and not own.judges:
        yield (
            f"{STUDY}.judges",
            "is empty, and so is preference_models; allowed: at least one of either",
        )


def _models_have_rows_to_train_on(own: Config, config: Any) -> Iterator[Problem]:
    known = config.comparisons
    benchmarks = [on for on in own.comparisons if on in known and not known[on].trains]
    if own.preference_models and benchmarks:
        yield (
            f"{STUDY}.preference_models",
            f"{', '.join(own.preference_models)}: trained on each of {STUDY}.comparisons, but a benchmark "
            f"({', '.join(benchmarks)}) has no rows to train on; allowed: [], with ring: null",
        )


def _labels_are_of_one_kind(own: Config, _: Any) -> Iterator[Problem]:
    for label in own.judges:
        if label in own.preference_models:
            yield (
                f"{STUDY}.judges",
                f"{label!r} is one of preference_models too, and the tables would not tell them apart; "
                "allowed: labels that differ",
            )


def _the_baseline_is_measured(own: Config, _: Any) -> Iterator[Problem]:
    measured = [*own.preference_models, *own.judges]
    if own.baseline is not None and own.baseline not in measured:
        yield (
            f"{STUDY}.baseline",
            f"{own.baseline!r} is not measured; allowed: {', '.join(measured)}, or null",
        )


def _the_truth_is_measured(own: Config, config: Any) -> Iterator[Problem]:
    for on, judge in (own.truth or {}).items():
        if on not in config.comparisons:
            yield (
                f"{STUDY}.truth.{on}",
                f"unknown label {on!r}; {allowed(on, config.comparisons)} (see comparisons)",
            )
        # A set that this run leaves out may stand there, as the default's.
        if on in own.comparisons and judge not in (*own.judges, None):
            yield (
                f"{STUDY}.truth.{on}",
                f"{judge!r} is none of {STUDY}.judges; allowed: one of them ({', '.join(own.judges)}), "
                f"or null, or {STUDY}.truth: null",
            )


def _the_ring_is_there(own: Config, config: Any) -> Iterator[Problem]:
    ring = own.ring
    if ring is None:
        return
    for key, label, there in (
        ("model", ring.model, own.preference_models),
        ("comparisons", ring.comparisons, own.comparisons),
    ):
        if label not in there:
            place = "preference_models" if key == "model" else key
            yield (
                f"{STUDY}.ring.{key}",
                f"{label!r} is none of {STUDY}.{place}; allowed: {', '.join(there)}, or ring: null",
            )
    if ring.model in own.preference_models and ring.model in config.preference_models:
        dimension = config.preference_models[ring.model].dimension
        if dimension < 2:
            yield (
                f"{STUDY}.ring.model",
                f"embeddings of {ring.model!r} have dimension {dimension}, and a plane needs 2; allowed: a "
                "model of more, or ring: null",
            )


def _samples_fit(own: Config, config: Any) -> Iterator[Problem]:
    if own.samples is None:
        return
    place = f"{STUDY}.samples"
    there = config.tiny_world.data.prompts
    if config.world == "tiny" and own.samples.prompts > there:
        yield (
            f"{place}.prompts",
            f"{own.samples.prompts} of the tiny world's prompts; allowed: at most the held-out ones of "
            f"tiny_world.data.prompts = {there}",
        )
    yield from checks.response_fits(f"{place}.max_new_tokens", own.samples.max_new_tokens, config)
    for label in own.preference_models:
        model = config.preference_models.get(label)
        if model and model.max_tokens <= model.max_prompt_tokens + own.samples.max_new_tokens:
            yield (
                f"{place}.max_new_tokens",
                f"{own.samples.max_new_tokens} tokens do not fit behind a prompt that {label!r} cuts to "
                f"max_prompt_tokens = {model.max_prompt_tokens}; allowed: less than "
                f"{model.max_tokens - model.max_prompt_tokens}, or a larger max_tokens there",
            )


CHECKS: tuple[Callable[[Config, Any], Iterator[Problem]], ...] = (
    _names_exist,
    _the_tiny_world_s_own_stay_there,
    _something_is_measured,
    _models_have_rows_to_train_on,
    _labels_are_of_one_kind,
    _the_baseline_is_measured,
    _the_truth_is_measured,
    _the_ring_is_there,
    _samples_fit,
)
