"""REINFORCE on anything but fresh responses of the policy is refused before any job starts."""

import pytest
from tests.unit.plan.test_config import changed, mistakes

from prefgrid.plan.load import load

STUDY = {"studies": ["soft_policy"], "soft_policy.methods": ["softpo", "reinforce"]}
DRAWING = "soft_policy.overrides.reinforce.drawing"


def given(**drawing) -> dict:
    return {**STUDY, DRAWING: {"mix": {"policy": 1.0}, "value": "group", **drawing}}


def test_the_default_recipe_is_sound():
    load(changed(STUDY))
    load(changed(given(mix={"policy": 1.0, "uniform": 0.0})))


@pytest.mark.parametrize(
    ("drawing", "said"),
    [
        (
            {"mix": {"policy": 0.5, "uniform": 0.5}},
            ".mix: {'policy': 0.5, 'uniform': 0.5} of 'reinforce', whose gradient is right on fresh "
            "responses of the policy alone; allowed: policy: 1",
        ),
        ({"mix": {"replay": 0.5, "policy": 0.5}}, ".mix: {'replay': 0.5, 'policy': 0.5} of "),
        ({"refresh_steps": 5}, ".refresh_steps: 5 of 'reinforce', whose gradient is right on "),
        (
            {"group_size": 1, "value": "exact"},
            ".group_size: 1 of 'reinforce', whose baseline is the mean of a group's other responses; "
            "allowed: at least 2",
        ),
    ],
)
def test_what_its_gradient_is_wrong_on_is_named(drawing, said):
    [line] = mistakes(given(**drawing))
    assert line.startswith(DRAWING + said)


def test_a_sample_has_room_for_a_number_and_its_end():
    [line] = mistakes({"studies": ["soft_policy"], "soft_policy.task.max_new_tokens": 1})
    assert line.startswith(
        "soft_policy.task.max_new_tokens: 1 should be greater than or equal to 2"
    )
