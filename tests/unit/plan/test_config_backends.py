"""Sampling backends by name: ours, those of any package, and which of them may share the scan's noise."""

import pytest
from tests.unit.plan.test_config import changed, mistakes

from prefgrid.config import backends
from prefgrid.plan.load import load
from prefgrid.studies import registry

STUDY = "link_robustness"


def test_every_backend_is_found_and_no_helper():
    assert backends.known() == ("transformers",)
    assert backends.keyed_noise("transformers")
    assert backends.module_name("transformers") == "prefgrid.sampling.transformers_backend"


def test_an_unknown_backend_is_named_with_a_suggestion():
    (line,) = mistakes({f"{STUDY}.generation.backend": "transformer"})
    assert line.startswith(
        f"{STUDY}.generation.backend: unknown sampling backend 'transformer'; "
        "did you mean 'transformers'? allowed: transformers, or the dotted name"
    )


# What a job calls.
CALLED = "def load(): ...\ndef sample_responses(): ...\n"


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A package of backends of somebody else's, under a name of its own: what was read is kept."""
    name = f"backends_{tmp_path.name}"
    (tmp_path / name).mkdir()
    sources = {"free": "KEYED_NOISE = False", "odd": "KEYED_NOISE = 'yes'", "bare": ""}
    for module, source in sources.items():
        (tmp_path / name / f"{module}.py").write_text(f"import not_here\n{source}\n{CALLED}")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_backend_of_somebody_else_samples_training_responses_alone(theirs):
    config = load(changed({f"{STUDY}.generation.backend": f"{theirs}.free"}))
    wiring = registry.wiring(config.packages[STUDY], config)
    training, held_out = wiring.responses("seed=0/shard=0"), wiring.responses("pool=eval/shard=0")
    assert training.spec["decoding"]["backend"] == f"{theirs}.free"
    assert training.modules == (f"{theirs}.free",)
    assert held_out.spec["decoding"]["backend"] == "prefgrid.sampling.transformers_backend"
    assert (
        "backend" not in wiring.evaluation("method=dpo/seed=0/shift=0.0/n=400").spec["evaluation"]
    )


def test_held_out_samples_need_the_noise_of_the_scan(theirs):
    (line,) = mistakes({f"{STUDY}.evaluation.backend": f"{theirs}.free"})
    assert line.startswith(f"{STUDY}.evaluation.backend: '{theirs}.free' has KEYED_NOISE = False")
    assert line.endswith("such as transformers")


@pytest.mark.parametrize(
    ("module", "said"),
    [("odd", "KEYED_NOISE must be True or False"), ("bare", "lacks the literal KEYED_NOISE")],
)
def test_a_backend_that_does_not_say_is_named(theirs, module, said):
    (line,) = mistakes({f"{STUDY}.generation.backend": f"{theirs}.{module}"})
    assert f"sampling backend '{theirs}.{module}' ({module}.py)" in line and said in line
