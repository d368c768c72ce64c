"""What the config asks of the hub's models."""

import pytest
from test_config import HUB, changed, mistakes

from prefgrid.plan.load import load

FLASH = {"world": "hub", "hub": HUB, "model.attention": "flash_attention_2"}
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
    load(changed({**FLASH, **HALVES, "execution.gpus_per_job": 1}))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_other_attention_needs_nothing(attention):
    assert load(changed({**FLASH, "model.attention": attention})).model.attention == attention
