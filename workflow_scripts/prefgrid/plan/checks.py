"""Checks that compare config keys with each other.

They run on the raw values, beside the schema, so that one run reports every mistake. A check
whose keys are missing or of the wrong type stays silent: the schema has already said so.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from prefgrid.config.fields import Problem, Raw
from prefgrid.config.suggestions import allowed
from prefgrid.plan import method_checks, world_checks
from prefgrid.studies.single_index import checks as single_index_checks

SCRIPTS = Path(__file__).resolve().parents[2]


def problems(raw: Raw) -> list[Problem]:
    """All (key, message) pairs that the cross-key checks find in a raw config."""
    found: list[Problem] = []
    for check in CHECKS:
        try:
            found += check(raw)
        except (KeyError, TypeError, AttributeError, ValueError):
            continue
    return found


def _prompt_pools_are_large_enough(raw: Raw) -> Iterator[Problem]:
    study = raw["link_robustness"]
    for n in study["n"]:
        if n > study["prompts"]["train"]:
            yield (
                "link_robustness.n",
                f"{n} is larger than the training prompt pool; allowed: at most "
                f"link_robustness.prompts.train = {study['prompts']['train']}",
            )


def _evaluation_prompts_exist(raw: Raw) -> Iterator[Problem]:
    study = raw["link_robustness"]
    if study["evaluation"]["prompts"] > study["prompts"]["eval"]:
        yield (
            "link_robustness.evaluation.prompts",
            f"{study['evaluation']['prompts']} is larger than the evaluation prompt pool; allowed: "
            f"at most link_robustness.prompts.eval = {study['prompts']['eval']}",
        )


def _scan_noise_is_the_references(raw: Raw) -> Iterator[Problem]:
    evaluation = raw["link_robustness"]["evaluation"]
    if evaluation["samples"] > evaluation["reference_samples"]:
        yield (
            "link_robustness.evaluation.samples",
            f"{evaluation['samples']} is more than the reference has under the same noise; "
            f"allowed: at most reference_samples = {evaluation['reference_samples']}",
        )


def _index_pairs_exist(raw: Raw) -> Iterator[Problem]:
    evaluation = raw["link_robustness"]["evaluation"]
    most = evaluation["reference_samples"] // 2
    if evaluation["index_pairs_per_prompt"] > most:
        yield (
            "link_robustness.evaluation.index_pairs_per_prompt",
            f"{evaluation['index_pairs_per_prompt']} needs more reference samples; allowed: at most "
            f"reference_samples / 2 = {most}",
        )


def _shards_have_rows(raw: Raw) -> Iterator[Problem]:
    study = raw["link_robustness"]
    if study["generation"]["shards"] > max(study["n"]):
        yield (
            "link_robustness.generation.shards",
            f"{study['generation']['shards']} shards for {max(study['n'])} pairs; "
            "allowed: at most one shard a pair",
        )


def _responses_fit(raw: Raw) -> Iterator[Problem]:
    for stage in ("generation", "evaluation"):
        longest = raw["link_robustness"][stage]["max_new_tokens"]
        if longest > raw["max_response_tokens"]:
            yield (
                f"link_robustness.{stage}.max_new_tokens",
                f"{longest} exceeds max_response_tokens = {raw['max_response_tokens']}; "
                "responses are never cut after sampling, so raise that limit or lower this one",
            )


def _dialogues_of_the_judge_fit(raw: Raw) -> Iterator[Problem]:
    if raw["reward"]["max_tokens"] <= raw["max_response_tokens"]:
        yield (
            "reward.max_tokens",
            f"{raw['reward']['max_tokens']} leaves no room for a prompt; allowed: more than "
            f"max_response_tokens = {raw['max_response_tokens']}",
        )


def _labels_exist(study: str, place: str, raw: Raw) -> Iterator[Problem]:
    labels = raw["methods"].keys()
    for label in raw[study][place]:
        if label not in labels:
            yield (
                f"{study}.{place}",
                f"unknown label {label!r}; {allowed(label, labels)} (see methods)",
            )


def _baseline_is_in_the_grid(study: str, raw: Raw) -> Iterator[Problem]:
    methods, baseline = raw[study]["methods"], raw[study]["baseline"]
    if methods and baseline not in methods:
        yield f"{study}.baseline", f"{baseline!r} is not run; allowed: {', '.join(methods)}"


def _threads_are_of_scripts(raw: Raw) -> Iterator[Problem]:
    scripts = sorted(path.stem for path in SCRIPTS.glob("*/*.py"))
    for name in raw["execution"]["torch_threads_of"]:
        if name not in scripts:
            yield (
                "execution.torch_threads_of",
                f"unknown script {name!r}; {allowed(name, scripts)}",
            )


def _shares_are_of_devices(raw: Raw) -> Iterator[Problem]:
    execution = raw["execution"]
    if execution["gpus_per_job"] == 0 and execution["jobs_per_gpu"] > 1:
        yield (
            "execution.jobs_per_gpu",
            f"{execution['jobs_per_gpu']} jobs share a device, but execution.gpus_per_job is 0; "
            "allowed on the CPU: 1",
        )


CHECKS: tuple[Callable[[Raw], Iterator[Problem]], ...] = (
    _prompt_pools_are_large_enough,
    _evaluation_prompts_exist,
    _scan_noise_is_the_references,
    _index_pairs_exist,
    _shards_have_rows,
    _responses_fit,
    _dialogues_of_the_judge_fit,
    # A check a study: one that is malformed must not hide the other's mistakes.
    partial(_labels_exist, "link_robustness", "methods"),
    partial(_labels_exist, "single_index", "methods"),
    partial(_labels_exist, "single_index", "overrides"),
    partial(_baseline_is_in_the_grid, "link_robustness"),
    partial(_baseline_is_in_the_grid, "single_index"),
    *method_checks.CHECKS,
    *single_index_checks.CHECKS,
    *world_checks.CHECKS,
    _threads_are_of_scripts,
    _shares_are_of_devices,
)
