"""What the config asks of the hub's models, and the rows that it can give them."""

import pytest
from test_config import HUB, changed, mistakes

from prefgrid.plan.load import load
from prefgrid.plan.rows import longest_rows

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


def test_rows_are_those_of_the_texts_and_of_the_judges_that_ask_the_model():
    """Kind: a limit of a model that some job exceeds; every way to give it a row counts."""
    judges = {
        "reward": {"judge": "scalar", "options": {"max_tokens": 300}},
        "long": {"judge": "scalar", "options": {"max_tokens": 700}},
        "own": {"judge": "scalar", "model": "base", "options": {"max_tokens": 200}},
    }
    config = load(changed({"max_prompt_tokens": 30, "max_response_tokens": 64, "judges": judges}))
    assert longest_rows(config, "base") == {"text_tokens": 94, "dialogue_tokens": 200}
    assert longest_rows(config, "reward") == {"text_tokens": None, "dialogue_tokens": 700}
    plain = load(changed({}))
    assert longest_rows(plain, "base")["dialogue_tokens"] is None
