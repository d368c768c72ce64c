"""What does not fit together is named by its key before any job starts, with what is allowed."""

import re
from pathlib import Path

import pytest
import yaml
from tests.unit.plan.test_config import changed, default, mistakes

from prefgrid.config.merging import merged
from prefgrid.plan.load import load

PAGE = Path(__file__).resolve().parents[4] / "docs/soft_policy.md"
ALONE = {"studies": ["soft_policy"], "soft_policy.methods": ["softpo"]}
OWN = "soft_policy.overrides.softpo"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"soft_policy.targets": [101]},
            "soft_policy.targets: 101 is no answer; allowed: task.lo to task.hi, 1 to 100",
        ),
        (
            {"soft_policy.reference.center": 0},
            "soft_policy.reference.center: 0 is no answer; allowed: task.lo to task.hi, 1 to 100",
        ),
        (
            {"soft_policy.task.lo": 5, "soft_policy.task.hi": 5},
            "soft_policy.task.lo: 5 is not below hi = 5; allowed: lo < hi",
        ),
        (
            {"soft_policy.task.max_new_tokens": 65},
            "soft_policy.task.max_new_tokens: 65 exceeds max_response_tokens = 64; ",
        ),
        (
            {"soft_policy.task.r_invalid": 0.5},
            "soft_policy.task.r_invalid: 0.5, but 'softpo' reads e^(score/β) as a probability (loss: "
            "cross_entropy); allowed: at most 0",
        ),
        ({"soft_policy.betas": [0.0]}, "soft_policy.betas.0: 0.0 should be greater than"),
        (
            {"soft_policy.many": {"trained": 60, "tested": 41}},
            "soft_policy.many: trained + tested = 101 targets of 100 numbers; allowed: at most 100",
        ),
        (
            {"soft_policy.many": {"trained": 0, "tested": 4}},
            "soft_policy.many.tested: 4 targets to test, but none to train on; allowed: 0, or trained",
        ),
        (
            {"soft_policy.references": ["model"]},
            "soft_policy.references: 'model', but the tiny world's reference cannot write numbers; ",
        ),
        (
            {"soft_policy.drawing.mix": {"uniform": 0.5, "policy": 0.4}},
            "soft_policy.drawing.mix: {'uniform': 0.5, 'policy': 0.4} of 'softpo' has the sum 0.9; ",
        ),
        (
            {"soft_policy.drawing.mix": {"uniform": 0.5, "replay": 0.5}},
            "soft_policy.drawing.mix: 'softpo' replays samples of the policy, but draws none; allowed: ",
        ),
        (
            {"soft_policy.drawing.samples": 2801},
            "soft_policy.drawing.samples: 2801 of 'softpo' is no multiple of the 112 responses of a step",
        ),
        (
            {"soft_policy.drawing.refresh_steps": 2},
            "soft_policy.drawing.refresh_steps: 2 of 'softpo' does not divide the 25 steps of an epoch (",
        ),
        (
            {"soft_policy.drawing.patience": 2, "soft_policy.drawing.keep_best": False},
            "soft_policy.drawing.patience: 2 of 'softpo', but keep_best is false; allowed: null, or keep",
        ),
        (
            {"soft_policy.drawing.value": "group", "soft_policy.drawing.group_size": 1},
            "soft_policy.drawing.group_size: 1 of 'softpo', but value: group compares the responses of a ",
        ),
        (
            {"methods.softpo.options.beta_start": 0.02},
            "methods.softpo.options.beta_start: 0.02 is below β = 0.05, to which it falls; allowed: at ",
        ),
        (
            {f"{OWN}.drawing": {"value": "guess"}},
            f"{OWN}.drawing.value: 'guess' should be 'exact', 'reference', ",
        ),
        ({f"{OWN}.drawing": {"sample": 7}}, f"{OWN}.drawing.sample: unknown key; "),
        (
            {"soft_policy.overrides.sofpto": {"drawing": {}}},
            "soft_policy.overrides: unknown label 'sofpto'; ",
        ),
        (
            {
                "soft_policy.reference.training.max_steps": None,
                "soft_policy.reference.training.epochs": 1,
            },
            "soft_policy.reference.training.max_steps: is null, but answers are drawn without end; ",
        ),
    ],
)
def test_a_mistake_is_named(changes, said):
    [line] = mistakes({**ALONE, **changes})
    assert line.startswith(said)


def test_what_its_page_shows_is_a_config():
    [shown] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    config = load(merged(default(), {"studies": ["soft_policy"], **yaml.safe_load(shown)}))
    own = config.section("soft_policy")
    assert own.betas_of("softpo_clip") == [0.01]
    assert own.drawing_of("softpo_clip").shares == {"uniform": 0.5, "policy": 0.5}
    load(changed(ALONE))
