"""The section `single_index`: what it refuses, and what a label is in this study."""

import re

import pytest
from tests.unit.plan.test_config import changed, default, mistakes

from prefgrid.plan.load import load

STUDY = "single_index"
CASES = {
    "unknown study": ({"studies": ["self_ply"]}, r"studies.0: 'self_ply' should be .*"),
    "study almost known": (
        {"studies": ["single_indx"]},
        r"studies.0: 'single_indx' should be a study; did you mean 'single_index'\? allowed: .*",
    ),
    "no seeds": ({f"{STUDY}.seeds": 0}, rf"{STUDY}.seeds: 0 should be greater than or equal to 1"),
    "negative shift": ({f"{STUDY}.shifts": [-1.0, 0.0, 1.5]}, rf"{STUDY}.shifts.0: -1.0 .*"),
    "tau of zero": (
        {f"{STUDY}.tau": [0.0]},
        rf"{STUDY}.tau.0: 0.0 should be greater than or equal to 0.000001",
    ),
    "one action": ({f"{STUDY}.world.actions": 1}, rf"{STUDY}.world.actions: 1 .*"),
    "unknown label": (
        {f"{STUDY}.methods": ["dpo", "ospoo"]},
        rf"{STUDY}.methods: unknown label 'ospoo'; did you mean 'ospo'\? allowed: .*",
    ),
    "baseline outside the grid": (
        {f"{STUDY}.baseline": "ipo"},
        rf"{STUDY}.baseline: 'ipo' is not run; allowed: dpo, pspo, ospo, rspo, dpo_early, true_link",
    ),
    "shift that is drawn but not run": (
        {f"{STUDY}.evaluation.pareto_shifts": [0.0, 3.0]},
        rf"{STUDY}.evaluation.pareto_shifts: 3.0 is not run; allowed, of shifts: 0.0, 0.75, 1.5",
    ),
    "label of the oracle": (
        {"methods.oracle": {"objective": "dpo", "options": {}, "training": {}}}
        | {f"{STUDY}.methods": ["dpo", "oracle"]},
        rf"{STUDY}.methods: 'oracle' is the tables' name for the scanned true reward; .*",
    ),
    "KL that no policy has": (
        {f"{STUDY}.evaluation.kappa": 0.7, f"{STUDY}.world.actions": 2},
        rf"{STUDY}.evaluation.kappa: 0.7 nats is further .*; allowed: below log 2 = 0.6931",
    ),
    "KL of several that no policy has": (
        {f"{STUDY}.evaluation.kappa": [0.2, 0.7], f"{STUDY}.world.actions": 2},
        rf"{STUDY}.evaluation.kappa: 0.7 nats is further .*; allowed: below log 2 = 0.6931",
    ),
    "the same KL twice": (
        {f"{STUDY}.evaluation.kappa": [0.2, 0.2]},
        rf"{STUDY}.evaluation.kappa: every value may appear once; repeated: \[0.2\]",
    ),
    "no KL": (
        {f"{STUDY}.evaluation.kappa": []},
        rf"{STUDY}.evaluation.kappa: \[\] should be a number of nats, .*, or a list of 1 to 5 .*",
    ),
    "no epochs": (
        {f"{STUDY}.training.epochs": 0},
        rf"{STUDY}.training.epochs: 0 should be greater than or equal to 1",
    ),
    "no pairs a step": (
        {f"{STUDY}.training.batch_size": 0},
        rf"{STUDY}.training.batch_size: 0 should be greater than or equal to 1",
    ),
    "no pairs a step of one label": (
        {f"{STUDY}.overrides": {"ospo": {"batch_size": 0}}},
        rf"{STUDY}.overrides.ospo.batch_size: 0 should be greater than or equal to 1",
    ),
    "one pair a step of a loss that compares pairs": (
        {f"{STUDY}.overrides": {"rspo": {"batch_size": 1}}},
        rf"{STUDY}.overrides.rspo.batch_size: 1 leaves nothing to compare: .*; allowed: at least 2",
    ),
    "language models only": (
        {f"{STUDY}.methods": ["dpo", "simpo"]},
        rf"{STUDY}.methods: 'simpo' uses no reference .* language models only",
    ),
    "objective without labels": (
        {"methods.cdpo": {"objective": "sft", "options": {}, "training": {}}}
        | {f"{STUDY}.methods": ["dpo", "cdpo"]},
        rf"{STUDY}.methods: 'cdpo' needs none on any number of responses; this study offers labels on 2",
    ),
    "override of no label": (
        {f"{STUDY}.overrides": {"dop": {"epochs": 3}}},
        rf"{STUDY}.overrides: unknown label 'dop'; did you mean 'dpo'\? .*",
    ),
    "override of no key": (
        {f"{STUDY}.overrides": {"dpo": {"epoch": 3}}},
        rf"{STUDY}.overrides.dpo.epoch: unknown key; did you mean 'epochs'\? .*",
    ),
    "override by an unknown option": (
        {f"{STUDY}.overrides": {"dpo": {"options": {"gamma": 3}}}},
        rf"{STUDY}.overrides.dpo.options: objective 'dpo': no option 'gamma'; .*",
    ),
    "warm start that never ends": (
        {f"{STUDY}.overrides": {"pspo": {"epochs": 1}}},
        rf"{STUDY}.methods: 'pspo': the warm start \(warm_start_epochs 1\) takes 8 of 8 .*",
    ),
    "warm start that an option prolongs": (
        {f"{STUDY}.overrides": {"ospo": {"options": {"warm_start_epochs": 100}}}},
        rf"{STUDY}.methods: 'ospo': the warm start .* takes 800 of 800 .*",
    ),
}


@pytest.mark.parametrize("changes, line", CASES.values(), ids=CASES.keys())
def test_each_mistake_names_key_value_and_what_is_allowed(changes, line):
    lines = mistakes(changes)
    assert len(lines) == 1 and re.fullmatch(line, lines[0]), lines


def test_a_label_is_itself_unless_overridden():
    study = load(default()).single_index
    assert study.training_of("dpo") == study.training
    assert study.options_of("dpo", {"beta_train": 2.0}) == {"beta_train": 2.0}
    published = study.training_of("pspo_published")
    assert published.epochs == 11 and published.batch_size == study.training.batch_size
    options = study.options_of("pspo_published", {"beta_train": 2.0})
    assert options["smoother"] == "knot_linear" and "beta_train" not in options


def test_an_override_of_the_training_alone_keeps_the_options():
    study = load(changed({f"{STUDY}.overrides": {"dpo": {"epochs": 3}}})).single_index
    assert study.training_of("dpo").epochs == 3
    assert study.options_of("dpo", {"beta_train": 2.0}) == {"beta_train": 2.0}
