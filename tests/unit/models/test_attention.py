"""Kind: an attention implementation that leaves out what a model's config says."""

import pytest
import torch
from tiny_policy import tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, Gemma2Config
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssConfig

from prefgrid.files import store
from prefgrid.models.fetching import fetch_model
from prefgrid.models.loading import load_causal_lm, load_model, save_model

SIZES = {
    "vocab_size": 258,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}
CAPPED = Gemma2Config(
    **SIZES, query_pre_attn_scalar=8, attn_logit_softcapping=2.0, initializer_range=0.5
)
UNCAPPED = Gemma2Config(**SIZES, attn_logit_softcapping=None)
# Its attention has sinks, which sdpa does not know.
SINKS = GptOssConfig(**SIZES, num_local_experts=2, num_experts_per_tok=1)
ROW = torch.tensor([[5, 9, 23, 41, 7, 30]])


def saved(folder, config, kind=AutoModelForCausalLM):
    torch.manual_seed(0)
    save_model(folder, kind.from_config(config).eval(), tiny_tokenizer())
    return folder


def used(model) -> str:
    return model.config._attn_implementation


def fetched(folder, asked: str):
    target = folder.parent / f"got {asked}"
    fetch_model(str(folder), None, target, "causal", attention=asked)
    return target


def test_auto_is_sdpa_wherever_it_computes_what_the_config_says(tmp_path):
    expected = {"eager": [CAPPED, SINKS], "sdpa": [UNCAPPED, tiny_model().config]}
    for name, configs in expected.items():
        for number, config in enumerate(configs):
            folder = saved(tmp_path / f"{name}{number}", config)
            assert used(load_causal_lm(folder)) == name, config.model_type


@torch.no_grad()
@pytest.mark.parametrize("kind", [AutoModelForCausalLM, AutoModelForSequenceClassification])
def test_caps_of_attention_are_kept_in_every_kind_of_model(tmp_path, kind):
    saved(tmp_path / "model", CAPPED, kind)
    model = load_model(kind, tmp_path / "model", "none")
    eager, sdpa = (
        kind.from_pretrained(tmp_path / "model", attn_implementation=name)
        for name in ("eager", "sdpa")
    )
    torch.testing.assert_close(model(ROW).logits, eager(ROW).logits)
    assert (model(ROW).logits - sdpa(ROW).logits).abs().max() > 0.01


@pytest.mark.parametrize("asked", ["eager", "sdpa"])
def test_what_was_asked_for_goes_with_the_model_into_all_that_is_made_of_it(tmp_path, asked):
    """As SFT does it: loaded, trained, saved elsewhere."""
    folder = fetched(saved(tmp_path / "source", UNCAPPED), asked)
    model = load_causal_lm(folder)
    assert used(model) == asked
    save_model(tmp_path / "reference", model, tiny_tokenizer())
    assert used(load_causal_lm(tmp_path / "reference")) == asked


def test_auto_leaves_no_trace(tmp_path):
    folder = fetched(saved(tmp_path / "source", UNCAPPED), "auto")
    assert "prefgrid_attention" not in store.read_json(folder / "config.json")


def test_auto_forgets_what_an_earlier_fetch_of_the_source_was_asked(tmp_path):
    asked = fetched(saved(tmp_path / "source", UNCAPPED), "eager")
    folder = tmp_path / "again"
    fetch_model(str(asked), None, folder, "causal", attention="auto")
    assert "prefgrid_attention" not in store.read_json(folder / "config.json")


@pytest.mark.parametrize(
    ("config", "asked", "message"),
    [
        (
            CAPPED,
            "sdpa",
            r"sdpa leaves out .* gemma2's .* \(attn_logit_softcapping .*: auto, eager",
        ),
        (SINKS, "sdpa", "sdpa: a GptOssForCausalLM has no such implementation"),
        (UNCAPPED, "flash_attention_2", "needs the package flash_attn, which is not installed"),
    ],
)
def test_what_would_compute_another_model_is_not_fetched(tmp_path, config, asked, message):
    folder = saved(tmp_path / "source", config)
    with pytest.raises(ValueError, match=message):
        fetched(folder, asked)
    assert not (tmp_path / f"got {asked}").exists()
