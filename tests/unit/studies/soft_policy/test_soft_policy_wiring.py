"""Which keys of the config each job of the study is made from, and no others."""

import pytest
from tests.unit.plan.test_config import changed

from prefgrid.plan.load import load
from prefgrid.studies import registry

KINDS = ("uniform", "peaked")


def references(**changes) -> dict[str, dict]:
    """Of the specs of the taught references."""
    config = load(changed({"studies": ["soft_policy"], **changes}))
    wiring = registry.wiring(config.packages["soft_policy"], config)
    return {kind: wiring.numbers_reference(f"reference={kind}").spec for kind in KINDS}


@pytest.mark.parametrize(
    ("key", "value", "taught_anew"),
    [
        ("task.r_invalid", -2.0, ()),
        ("task.max_new_tokens", 12, ()),
        ("reference.center", 30, ("peaked",)),
        ("reference.answers", 32, KINDS),
        ("task.hi", 120, KINDS),
        ("reference.training.max_steps", 400, KINDS),
    ],
)
def test_a_reference_is_taught_anew_for_what_changes_it_alone(key, value, taught_anew):
    before, after = references(), references(**{f"soft_policy.{key}": value})
    assert tuple(kind for kind in KINDS if before[kind] != after[kind]) == taught_anew
