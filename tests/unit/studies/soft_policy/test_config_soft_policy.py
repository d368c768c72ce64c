"""The section `soft_policy`: what it refuses, each by its key."""

import re

import pytest
from tests.unit.plan.test_config import default, mistakes

from prefgrid.config.merging import merged
from prefgrid.plan.load import load

STUDY = "soft_policy"
# Labels that learn from pairs need steps that divide an epoch.
ON_PAIRS = {f"{STUDY}.drawing.samples": 32 * 112, f"{STUDY}.drawing.epochs": 20}
CASES = {
    "target that is no answer": (
        {f"{STUDY}.targets": [101]},
        rf"{STUDY}.targets: 101 is no answer; allowed: task.lo to task.hi, 1 to 100",
    ),
    "numbers that leave out the peak": (
        {f"{STUDY}.task.hi": 50},
        rf"{STUDY}.reference.center: 74 is no answer; allowed: task.lo to task.hi, 1 to 50",
    ),
    "shares of less than all": (
        {f"{STUDY}.overrides.softpo_squared.drawing": {"mix": {"uniform": 0.5}}},
        rf"{STUDY}.overrides.softpo_squared.drawing.mix: .* has the sum 0.5; allowed: .*",
    ),
    "unknown key of an overridden drawing": (
        {f"{STUDY}.overrides.softpo_squared.drawing": {"mixx": {"uniform": 1.0}}},
        rf"{STUDY}.overrides.softpo_squared.drawing.mixx: unknown key; did you mean 'mix'\? .*",
    ),
    "an epoch of part of a step": (
        {f"{STUDY}.drawing.samples": 2801},
        # The published labels draw in their own way.
        rf"{STUDY}.(overrides.softpo_squared.)?drawing.samples: 2801 of 'softpo\w*' is no multiple .*",
    ),
    "reference taught without end": (
        {f"{STUDY}.reference.training.max_steps": None, f"{STUDY}.reference.training.epochs": 1.0},
        rf"{STUDY}.reference.training.max_steps: is null, but answers are drawn without end; .*",
    ),
    "reference taught within its warm-up": (
        {f"{STUDY}.reference.training.warmup_steps": 500},
        rf"{STUDY}.reference.training: in {STUDY} .*warm.*500.*",
    ),
    "reference taught at a rate of zero": (
        {
            f"{STUDY}.reference.training.schedule_steps": 100,
            f"{STUDY}.reference.training.final_learning_rate_share": 0.0,
        },
        rf"{STUDY}.reference.training: in {STUDY} schedule_steps is 100 of 500 optimizer steps .*",
    ),
    "reference taught in halves without a GPU": (
        {f"{STUDY}.reference.training.precision": "fp16"},
        rf"{STUDY}.reference.training.precision: fp16 needs a GPU: .*",
    ),
    "reference's adapter of no layer": (
        {f"{STUDY}.reference.training.lora": {"targets": ["q_porj"]}},
        rf"{STUDY}.reference.training.lora.targets: .* no linear layer 'q_porj'; .*",
    ),
    "preferences without a link": (
        {f"{STUDY}.methods": ["softpo", "true_link"], **ON_PAIRS},
        r"methods.true_link.options.link_shift: is null, but preferences between numbers have no .*",
    ),
    "schedule in epochs of what is drawn": (
        {"methods.softpo.training.schedule_epochs": 3},
        rf"methods.softpo\w*.training: schedule_epochs is 3, but {STUDY} draws its data .*allowed: null.*",
    ),
    "warm start that never ends": (
        {
            f"{STUDY}.methods": ["softpo", "pspo"],
            "methods.pspo.options": {"warm_start_epochs": 20.0},
            "single_index.methods": ["dpo"],
            "link_robustness.methods": ["dpo"],
            **ON_PAIRS,
        },
        rf"methods.pspo: in {STUDY} the warm start \(warm_start_epochs 20\) takes 20 of 20 .*",
    ),
}


@pytest.mark.parametrize(("changes", "line"), CASES.values(), ids=CASES)
def test_each_mistake_names_key_value_and_what_is_allowed(changes, line):
    lines = mistakes(changes)
    assert lines and all(re.fullmatch(line, one) for one in lines), lines


def test_objectives_of_pairs_can_learn_numbers():
    """All that need labels on two responses, but the one that must be told the link."""
    methods = ["softpo", "dpo", "pspo", "ospo", "rspo", "ipo", "simpo"]
    drawing = {"samples": 32 * 112, "epochs": 20}
    config = load(merged(default(), {STUDY: {"methods": methods, "drawing": drawing}}))
    assert config.soft_policy.methods == methods


def test_of_a_reference_that_is_taken_as_it_is_no_training_is_asked_about():
    hub = {
        "models": {"base": {"source": "lab/base", "revision": "main"}, "reward": None},
        "dataset": None,
    }
    section = {"references": ["model"], "reference": {"training": {"warmup_steps": 500}}}
    changes = {"studies": [STUDY], "world": "hub", "reference": {"sft": None}}
    load(merged(default(), changes | {"hub": hub, STUDY: section}))
