"""What the config asks of the hub's models."""

import pytest
from test_config import HUB, changed, mistakes

from prefgrid.plan.load import load

FLASH = {"world": "hub", "hub": HUB, "model.attention": "flash_attention_2"}
# One whose methods are adapters.
FLASH |= {"studies": ["link_robustness"]}
HALVES = {"training.precision": "bf16", "judges.reward.options": {"precision": "bf16"}}


def test_flash_attention_needs_a_gpu_and_halves_in_every_job():
    """Its kernels refuse float32, in jobs that come after hours of sampling."""
    lines = mistakes(FLASH)
    assert "model.attention: 'flash_attention_2' needs a GPU (execution.gpus_per_job)" in lines
    for key in (
        "training",
        "judges.reward.options",
        "reference.sft.training",
        "methods.dpo.training",
    ):
        assert any(line.startswith(f"{key}.precision: is none, but") for line in lines), key
    adapters = {"reference.sft.training": {"lora": {"rank": 8}}}
    load(changed({**FLASH, **HALVES, **adapters, "execution.gpus_per_job": 1}))


def test_flash_attention_needs_an_adapter_since_all_weights_are_float32():
    """The kind: halves are asked for, but a full fine-tune keeps and evaluates float32 weights."""
    whole = {"execution.gpus_per_job": 1, "methods.dpo.training": {"lora": None}}
    lines = mistakes({**FLASH, **HALVES, **whole})
    for key in ("reference.sft.training", "methods.dpo.training"):
        assert any(
            line.startswith(f"{key}.lora: is null, so weights are float32") for line in lines
        )
    assert len(lines) == 2


def test_flash_attention_asks_nothing_of_methods_that_no_study_trains():
    """Some that come with prefgrid are full fine-tunes."""
    adapters = {"reference.sft.training": {"lora": {"rank": 8}}, "execution.gpus_per_job": 1}
    load(changed({**FLASH, **HALVES, **adapters, "methods.ipo.training": {"lora": None}}))
    lines = mistakes({**FLASH, **HALVES, **adapters, "studies": ["soft_policy"]})
    assert any(line.startswith("methods.softpo.training.lora: is null, so") for line in lines)
    assert not any(line.startswith("methods.ipo") for line in lines)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_other_attention_needs_nothing(attention):
    assert load(changed({**FLASH, "model.attention": attention})).model.attention == attention
