"""Kind: a reward model whose own forward gives other scores than ours."""

import pytest
import torch
from test_scalar_judge import TEMPLATE, load, save_classifier
from tiny_policy import tiny_tokenizer
from transformers import AutoModelForSequenceClassification, Gemma2Config

from prefgrid.judges import decoders
from prefgrid.judges.agreement import check_scores

ROWS = [{"input_ids": [5, 9, 23, 41, 7]}, {"input_ids": [30, 11, 52, 8, 9]}]


def classifier(folder):
    return AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()


@torch.no_grad()
def own(model) -> list[float]:
    return [model(torch.tensor([row["input_ids"]])).logits.item() for row in ROWS]


def test_scores_of_the_own_forward_agree_and_others_are_named(tmp_path):
    model = classifier(save_classifier(tmp_path))
    first, second = own(model)
    check_scores(model, ROWS, [first, second])
    with pytest.raises(
        ValueError, match=rf"this qwen3 is {second + 1:.6g}, its own .* {second:.6g};"
    ):
        check_scores(model, ROWS, [first, second + 1])
    with pytest.raises(ValueError, match="is nan"):
        check_scores(model, ROWS, [first, float("nan")])


@pytest.mark.parametrize("precision", ["none", "bf16"])
def test_a_judge_that_reads_another_score_is_refused_when_it_is_loaded(
    tmp_path, monkeypatch, precision
):
    """As a family whose forward does more behind its score layer than ours does."""
    save_classifier(tmp_path)
    load(tmp_path, precision=precision)

    def doubled(self, groups):
        return 2 * score(self, groups)

    score = decoders.DialogueReader.logits
    monkeypatch.setattr(decoders.DialogueReader, "logits", doubled)
    with pytest.raises(ValueError, match="our score of a dialogue under this qwen3"):
        load(tmp_path, precision=precision)


def test_a_judge_whose_attention_would_lose_its_caps_is_refused(tmp_path, monkeypatch):
    """Gemma-2 as a family whose cap nobody looks for; with the cap known, it is eager and sound."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        num_labels=1,
        pad_token_id=None,
        query_pre_attn_scalar=8,
        attn_logit_softcapping=2.0,
        initializer_range=0.5,
    )
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert load(tmp_path).model.config._attn_implementation == "eager"
    monkeypatch.setattr("prefgrid.models.attention.SCORE_CAPS", ())
    with pytest.raises(ValueError, match="our score of a dialogue under this gemma2"):
        load(tmp_path)
