"""Kind: a model whose forward does something that our log-probabilities do not know of."""

import pytest
import torch
from tiny_policy import PAD, tiny_lora, tiny_model
from transformers import Gemma2Config, Gemma2ForCausalLM
from transformers.models.gpt2.modeling_gpt2 import GPT2Config, GPT2LMHeadModel

from prefgrid.logprobs.agreement import check_log_probs

ROW = [5, 9, 23, 41, 7, 30, 11, 52, 8]


def scaled_by_nobody_knows_what(model, factor: float):
    """As a family does it whose config names its factor as no other family does."""

    def scale(module, given, output):
        output.logits = output.logits * factor
        return output

    model.register_forward_hook(scale)
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("make", [tiny_model, tiny_lora])
def test_agrees_where_the_forward_is_the_usual_one(make, dtype):
    model = make()
    check_log_probs(model.to(dtype), ROW, PAD)
    check_log_probs(model, ROW[:2], PAD)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_unknown_factor_is_refused_with_both_figures_in_any_precision(dtype):
    """1.2 % off: behind the same hidden states, halves are compared as finely as float32."""
    model = scaled_by_nobody_knows_what(tiny_model().to(dtype), 1.012)
    with pytest.raises(ValueError, match=r"under this qwen3 is -[\d.]+ nats, .* gives -[\d.]+;"):
        check_log_probs(model, ROW, PAD)


def test_a_config_key_that_the_model_does_not_mean_is_refused():
    """`logits_scaling` divides in Granite; another family multiplies by it, or has it for nothing."""
    model = tiny_model()
    model.config.logits_scaling = 8.0
    with pytest.raises(ValueError, match="its own forward gives"):
        check_log_probs(model, ROW, PAD)


def test_scores_that_an_attention_implementation_leaves_unbounded_are_refused():
    """Gemma-2 as a family whose cap has a name that nobody looks for: sdpa drops it silently."""
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=60,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        query_pre_attn_scalar=8,
        attn_logit_softcapping=2.0,
        initializer_range=0.5,
        pad_token_id=PAD,
    )
    model = Gemma2ForCausalLM(config).eval()
    model.set_attn_implementation("eager")
    check_log_probs(model, ROW, PAD)
    model.set_attn_implementation("sdpa")
    with pytest.raises(ValueError, match="rows of a batch under this gemma2"):
        check_log_probs(model, ROW, PAD)
    assert model.config._attn_implementation == "sdpa"


def test_rows_that_change_each_other_are_refused():
    """A forward that looks at the whole batch: its longest row decides about the others."""
    model = tiny_model()

    def stretched(module, given):
        return (given[0] * (1 + 0.1 * given[0].shape[0]), *given[1:])

    model.model.norm.register_forward_pre_hook(stretched)
    model.model.norm.forward = lambda states: states * 0.1
    with pytest.raises(ValueError, match="rows of a batch"):
        check_log_probs(model, ROW, PAD)


def test_nan_on_one_side_is_no_agreement_and_on_both_is_for_others_to_report():
    with pytest.raises(ValueError, match="its own forward gives nan"):
        check_log_probs(scaled_by_nobody_knows_what(tiny_model(), torch.nan), ROW, PAD)
    model = tiny_model()
    with torch.no_grad():
        model.model.norm.weight.fill_(torch.nan)
    check_log_probs(model, ROW, PAD)


def test_modes_and_dropout_are_left_as_they_were():
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=4, n_positions=32)
    model = GPT2LMHeadModel(config).train()
    assert config.resid_pdrop > 0
    check_log_probs(model, ROW, PAD)
    assert all(module.training for module in model.modules())
