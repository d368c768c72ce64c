"""Checks that compare the keys of `link_robustness` with each other and with the rest."""

from collections.abc import Callable, Iterator
from typing import Any

from prefgrid.config import backends
from prefgrid.config.fields import Problem
from prefgrid.studies import checks
from prefgrid.studies.link_robustness.config import Config

STUDY = "link_robustness"


def _prompt_pools_are_large_enough(own: Config, _: Any) -> Iterator[Problem]:
    for n in own.n:
        if n > own.prompts.train:
            yield (
                f"{STUDY}.n",
                f"{n} is larger than the training prompt pool; allowed: at most "
                f"{STUDY}.prompts.train = {own.prompts.train}",
            )


def _evaluation_prompts_exist(own: Config, _: Any) -> Iterator[Problem]:
    if own.evaluation.prompts > own.prompts.eval:
        yield (
            f"{STUDY}.evaluation.prompts",
            f"{own.evaluation.prompts} is larger than the evaluation prompt pool; allowed: "
            f"at most {STUDY}.prompts.eval = {own.prompts.eval}",
        )


def _scan_noise_is_the_references(own: Config, _: Any) -> Iterator[Problem]:
    evaluation = own.evaluation
    if evaluation.samples > evaluation.reference_samples:
        yield (
            f"{STUDY}.evaluation.samples",
            f"{evaluation.samples} is more than the reference has under the same noise; "
            f"allowed: at most reference_samples = {evaluation.reference_samples}",
        )


def _held_out_noise_is_keyed(own: Config, _: Any) -> Iterator[Problem]:
    backend = own.evaluation.backend
    if not backends.keyed_noise(backend):
        keyed = ", ".join(filter(backends.keyed_noise, backends.known()))
        yield (
            f"{STUDY}.evaluation.backend",
            f"{backend!r} has KEYED_NOISE = False, but the reference's held-out samples share the "
            f"noise of the scan; allowed: a backend whose noise is keyed, such as {keyed}",
        )


def _index_pairs_exist(own: Config, _: Any) -> Iterator[Problem]:
    evaluation = own.evaluation
    most = evaluation.reference_samples // 2
    if evaluation.index_pairs_per_prompt > most:
        yield (
            f"{STUDY}.evaluation.index_pairs_per_prompt",
            f"{evaluation.index_pairs_per_prompt} needs more reference samples; allowed: at most "
            f"reference_samples / 2 = {most}",
        )


def _shards_have_rows(own: Config, _: Any) -> Iterator[Problem]:
    if own.generation.shards > max(own.n):
        yield (
            f"{STUDY}.generation.shards",
            f"{own.generation.shards} shards for {max(own.n)} pairs; "
            "allowed: at most one shard a pair",
        )


def _generated_responses_fit(own: Config, config: Any) -> Iterator[Problem]:
    key = f"{STUDY}.generation.max_new_tokens"
    return checks.response_fits(key, own.generation.max_new_tokens, config)


def _scanned_responses_fit(own: Config, config: Any) -> Iterator[Problem]:
    key = f"{STUDY}.evaluation.max_new_tokens"
    return checks.response_fits(key, own.evaluation.max_new_tokens, config)


def _prompts_exist(own: Config, config: Any) -> Iterator[Problem]:
    return checks.prompts_exist(f"{STUDY}.prompts", own.prompts.train + own.prompts.eval, config)


def _the_judge_scores(own: Config, config: Any) -> Iterator[Problem]:
    return checks.scores_responses(f"{STUDY}.judge", own.judge, config)


def _methods_fit(own: Config, config: Any) -> Iterator[Problem]:
    yield from checks.learns_from_pairs(STUDY, own.methods, config)
    yield from checks.targets_exist(own.methods, config)
    yield from checks.fits_the_device(own.methods, config)


def _methods_leave_their_warm_start(own: Config, config: Any) -> Iterator[Problem]:
    return checks.leaves_its_warm_start(own.methods, own.n, config)


def _methods_learn_at_every_step(own: Config, config: Any) -> Iterator[Problem]:
    return checks.learns_at_every_step(own.methods, own.n, config)


CHECKS: tuple[Callable[[Config, Any], Iterator[Problem]], ...] = (
    _prompt_pools_are_large_enough,
    _evaluation_prompts_exist,
    _scan_noise_is_the_references,
    _held_out_noise_is_keyed,
    _index_pairs_exist,
    _shards_have_rows,
    _generated_responses_fit,
    _scanned_responses_fit,
    _prompts_exist,
    _the_judge_scores,
    _methods_fit,
    _methods_leave_their_warm_start,
    _methods_learn_at_every_step,
)
