"""What `compat` sets, and that it overrules nobody in silence."""

import pytest

from prefgrid.studies.self_play import compat
from prefgrid.studies.self_play.config import Config

# Section 8 of the published methods' description, and sections 1.3 to 1.5 for what both have alike.
ALIKE = {"mode": "best_worst", "by": "mean_logit", "epsilon": 0.0}
ALIKE |= {"drop_duplicates": False, "drop_truncated": False}
PUBLISHED = {
    "paper": (1.0, 1.0, "matrix", False, 1.0, "best"),
    "released": (0.7, 0.9, "aggregated", True, 2.0, "last"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_procedure_sets_its_rows_and_nothing_else(name):
    found, before = compat.applied(Config(compat=name)), Config(compat=name)
    generation, targets = found.generation, found.targets
    rows = (generation.temperature, generation.top_p, targets.estimator, targets.symmetrise)
    assert (*rows, targets.logit_scale, found.select) == PUBLISHED[name]
    assert found.selection.model_dump() == ALIKE
    assert targets.include_self and targets.opponent == "previous" and not targets.soften
    changed = {"generation", "targets", "selection", "select"}
    assert found.model_dump(exclude=changed) == before.model_dump(exclude=changed)
    left = {"temperature", "top_p"}
    assert generation.model_dump(exclude=left) == before.generation.model_dump(exclude=left)
    assert list(compat.conflicts(found)) == list(compat.conflicts(before)) == []
    assert compat.applied(found) == found


def test_fixed_sets_nothing_and_refuses_nothing():
    section = Config(targets={"soften": 0.5}, generation={"temperature": 0.3}, select="best")
    assert compat.applied(section) == section and list(compat.conflicts(section)) == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_key_that_it_sets_is_one_of_the_section_s(name):
    """And a value of each that is neither the default's nor the procedure's is refused by name."""
    choices = {
        "targets.estimator": "matrix",
        "selection.by": "mean_probability",
        "targets.opponent": "base",
        "selection.mode": "all",
        "select": {"paper": "last", "released": "best"}[name],
    }
    defaults = Config().model_dump()
    for key, wanted in compat.KEYS[name].items():
        room, _, last = key.rpartition(".")
        default = defaults[room][last] if room else defaults[last]
        other = not wanted if isinstance(wanted, bool) else choices.get(key)
        value = wanted / 2 + 0.11 if other is None else other
        changes = {room: {last: value}} if room else {last: value}
        found = list(compat.conflicts(Config.model_validate({"compat": name, **changes})))
        if value in (default, wanted):
            assert found == []
        else:
            [(named, said)] = found
            assert named == key and f"{value!r}, but compat: {name} sets it to {wanted!r}" in said
            assert "compat: fixed" in said


def test_a_method_s_own_targets_and_pairs_are_held_to_it_too():
    section = Config(
        compat="released",
        overrides={
            "dpo": {"selection": {"mode": "best_worst"}},
            "gpo": {"targets": {"estimator": "matrix", "logit_scale": 2.0}},
        },
    )
    [(key, said)] = compat.conflicts(section)
    assert key == "overrides.gpo.targets.estimator" and "'matrix', but compat: released" in said
    for label in section.overrides:
        assert compat.applied(section).selection_of(label).mode == "best_worst"
