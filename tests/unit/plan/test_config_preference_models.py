"""The section `preference_models`: what may be written there, and that code and config say the same."""

from typing import get_args

import pytest
from tests.unit.plan.test_config import changed

from prefgrid.config.preference_models import PreferenceModel, Ptx
from prefgrid.limits import preference_models
from prefgrid.models.preference import GATES
from prefgrid.objectives.preference_losses import LOSSES, PTX_LOSSES
from prefgrid.plan.load import ConfigError, load


def of(label="gpm", **changes):
    raw = {"studies": ["soft_policy"], "preference_models": {label: changes}}
    return load(raw).preference_models[label]


def test_the_names_are_those_of_the_code():
    fields = PreferenceModel.model_fields
    assert (
        get_args(fields["gate"].annotation)
        == ("none", *GATES)
        == ("none", *preference_models.GATES)
    )
    assert get_args(fields["loss"].annotation) == tuple(LOSSES)
    assert get_args(Ptx.model_fields["loss"].annotation) == tuple(PTX_LOSSES)


def test_the_defaults_learn_from_closings_in_equal_trainings():
    models = load({}).preference_models
    assert {label: model.dimension for label, model in models.items()} == {"bt": 1, "gpm": 4}
    assert models["bt"].training == models["gpm"].training
    assert {model.comparisons for model in models.values()} == {"closings"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dimension": 3}, "dimension 3: embeddings are pairs of numbers; allowed: 1, 2, 4"),
        ({"dimension": 1}, "normalize: of length 1 a single number says nothing but its sign"),
        (
            {"dimension": 1, "normalize": False, "gate": "softmax"},
            "gate 'softmax': with dimension 1",
        ),
        ({"gate": "moe"}, "moe"),
        (
            {"temperature": 0.01, "learn_temperature": True},
            "temperature 0.01; allowed: more than 0.01",
        ),
        ({"temperature": 0.0}, "temperature"),
        ({"margin": True, "loss": "soft_ce"}, "margin is true, but the loss soft_ce learns"),
        ({"anneal": {"start": 0.2, "share": 0.5}}, "anneal.start is 0.2 and temperature is 0.25"),
        ({"anneal": {"start": 2.0, "share": 0.0}}, "share"),
        ({"ptx": {"share": 1.0}}, "share"),
        ({"ptx": {"loss": "kl"}}, "kl"),
        ({"ptx": {"loss": "token_nll", "scale": 2.0}}, "ptx.scale is set, but ptx.loss token_nll"),
        (
            {"max_tokens": 512},
            "max_prompt_tokens 512 leaves a response no token of max_tokens 512; allowed: less",
        ),
        (
            {"group_size": 3, "training": {"batch_size": 8}},
            "batch_size 8 is no multiple of group_size 3",
        ),
        ({"training": {"batch": 8}}, "batch"),
        ({"training": {"epochs": None, "max_steps": 5}}, "warmup_steps"),
        ({"comparisons": "nowhere"}, "nowhere"),
        ({"heads": 2}, "heads"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ConfigError) as found:
        of(**changes)
    assert message in str(found.value) and "preference_models" in str(found.value)


def test_half_precision_needs_a_device_and_an_adapter_its_layers():
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        of(training={"precision": "fp16"})
    with pytest.raises(ConfigError, match="no linear layer 'query'"):
        of(training={"lora": {"targets": ["query"]}})


@pytest.mark.parametrize(
    "training",
    [
        {"warmup_steps": 9, "max_steps": 5, "epochs": None},
        {"batch_size": 8, "micro_batch_size": 8, "lora": {"targets": ["query"]}},
    ],
)
def test_a_problem_of_a_training_is_said_once(training):
    """By the section that holds it, whether a study trains the model or not."""
    for studies in (["soft_policy"], ["soft_policy", "pairwise_judges"]):
        raw = changed({"studies": studies})
        raw["preference_models"]["gpm"] = {**raw["preference_models"]["gpm"], "training": training}
        with pytest.raises(ConfigError) as found:
            load(raw)
        lines = [line for line in str(found.value).splitlines() if ".gpm.training" in line]
        assert len(lines) == 1, lines


def test_a_language_model_term_without_a_sigmoid_needs_no_scale():
    assert of(ptx={"loss": "token_nll"}).ptx.loss == "token_nll"
    assert of(ptx={"loss": "dpo", "scale": 3.0}).ptx.scale == 3.0


def test_a_batch_of_whole_groups_is_allowed():
    assert of(group_size=4, training={"batch_size": 8}).group_size == 4


@pytest.mark.parametrize("label", ["base", "reward"])
def test_a_label_that_names_another_model_of_judges_is_refused(label):
    """A judge with `model: base` would ask the wrong one, and nothing would say so."""
    with pytest.raises(
        ConfigError, match=f"preference_models.{label}: '{label}' names another model"
    ):
        of(label)
