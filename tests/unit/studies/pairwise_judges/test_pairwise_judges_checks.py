"""Mistakes in the section `pairwise_judges`, each named by its key with what is allowed."""

import re
from types import SimpleNamespace

import pytest

from prefgrid.config.training import Training
from prefgrid.studies.pairwise_judges.checks import CHECKS
from prefgrid.studies.pairwise_judges.config import Config

MODELS = {
    "bt": SimpleNamespace(dimension=1, training={}, max_prompt_tokens=50, max_tokens=115),
    "gpm": SimpleNamespace(dimension=4, training={}, max_prompt_tokens=50, max_tokens=115),
    "narrow": SimpleNamespace(dimension=4, training={}, max_prompt_tokens=50, max_tokens=114),
}
WHOLE = SimpleNamespace(
    preference_models=MODELS,
    judges=dict.fromkeys(("rule", "circle", "length", "reward", "bt")),
    comparisons={
        **dict.fromkeys(("scores", "closings"), SimpleNamespace(trains=True)),
        "bench": SimpleNamespace(trains=False),
    },
    world="tiny",
    tiny_world=SimpleNamespace(data=SimpleNamespace(prompts=2880)),
    max_response_tokens=64,
    training_of=lambda overrides: Training(**overrides),
    execution=SimpleNamespace(gpus_per_job=0),
)
CASES = {
    "preference model unknown": (
        {"preference_models": ["bt", "gpn", "gpm"]},
        "preference_models: unknown label 'gpn'; .*gpm.*(see preference_models)",
    ),
    "judge unknown": ({"judges": ["circle", "rules"]}, "judges: unknown label 'rules'; .*rule.*"),
    "comparisons unknown": (
        {"comparisons": ["closings", "score"]},
        "comparisons: unknown label 'score'; .*scores.*",
    ),
    "nothing to measure": (
        {
            "judges": [],
            "preference_models": [],
            "baseline": None,
            "ring": None,
            "truth": None,
        },
        "judges: is empty, and so is preference_models; allowed: .*",
    ),
    "models on a benchmark": (
        {"comparisons": ["closings", "bench"]},
        r"preference_models: bt, gpm: trained on each .* a benchmark \(bench\) has no rows to train on; .*",
    ),
    "one label twice": (
        {"judges": ["rule", "circle", "bt"]},
        "judges: 'bt' is one of preference_models too, .*; allowed: labels that differ",
    ),
    "baseline not measured": (
        {"baseline": "length", "judges": ["rule", "circle"]},
        "baseline: 'length' is not measured; allowed: bt, gpm, rule, circle, or null",
    ),
    "truth not measured": (
        {"judges": ["rule"]},
        r"truth.closings: 'circle' is none of pairwise_judges.judges; allowed: one of them \(rule\), or "
        "null, or pairwise_judges.truth: null",
    ),
    "truth of a set that nobody knows": (
        {"truth": {"closing": "circle"}},
        r"truth.closing: unknown label 'closing'; did you mean 'closings'.* \(see comparisons\)",
    ),
    "ring of a model that is not trained": (
        {"preference_models": ["bt"]},
        "ring.model: 'gpm' is none of pairwise_judges.preference_models; allowed: bt, or ring: null",
    ),
    "ring of comparisons that are not there": (
        {"comparisons": ["scores"]},
        "ring.comparisons: 'closings' is none of pairwise_judges.comparisons; allowed: scores, or .*",
    ),
    "ring of scores": (
        {"ring": {"model": "bt"}},
        "ring.model: embeddings of 'bt' have dimension 1, and a plane needs 2; .*ring: null",
    ),
    "more samples than prompts": (
        {"samples": {"prompts": 3000}},
        "samples.prompts: 3000 of the tiny world's prompts; allowed: .*prompts = 2880",
    ),
    "responses that do not fit behind a cut prompt": (
        {"preference_models": ["bt", "gpm", "narrow"]},
        "samples.max_new_tokens: 64 tokens do not fit behind a prompt that 'narrow' cuts to .* = 50; "
        "allowed: less than 64, or .*",
    ),
    "responses beyond the limit": (
        {
            "samples": {"max_new_tokens": 65},
            "preference_models": [],
            "baseline": None,
            "ring": None,
        },
        "samples.max_new_tokens: 65 exceeds max_response_tokens = 64; .*",
    ),
}


def mistakes(**changes) -> list[str]:
    own = Config.model_validate(changes)
    return [f"{key}: {words}" for check in CHECKS for key, words in check(own, WHOLE)]


@pytest.mark.parametrize(("changes", "line"), CASES.values(), ids=CASES)
def test_each_mistake_names_key_value_and_what_is_allowed(changes, line):

    [found] = mistakes(**changes)
    line = line.replace("(see preference_models)", r"\(see preference_models\)")
    assert re.fullmatch(f"pairwise_judges.{line}", found), found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"samples": None, "ring": None},
        {"judges": ["rule"], "truth": None},
        # The default truth of a set that is left out.
        {"comparisons": ["scores"], "judges": ["rule"], "ring": None},
        {"preference_models": [], "baseline": None, "ring": None},
        {"baseline": "rule"},
    ],
)
def test_what_fits_is_let_pass(changes):
    assert mistakes(**changes) == []


@pytest.mark.parametrize(
    "changes",
    [{"samples": {"responses": 2}}, {"seeds": []}, {"comparisons": []}, {"measure_on": "all"}],
)
def test_values_out_of_range_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        Config.model_validate(changes)
