"""Kind: noise that a base model's own config switches on in training (dropout of hidden states and of
attention, jitter of routers, skipped layers). Only an adapter's own dropout may be on."""

import math

import pytest
import torch
from tiny_policy import LORA, PAD, VOCABULARY, logps_of, random_groups, scale_up, tiny_lora
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from prefgrid.models.dropout import train_adapters, without_dropout
from prefgrid.models.loading import add_lora
from prefgrid.objectives import base
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.reference import AdapterOffReference
from prefgrid.training.step import PolicyForward

GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 32}
NOISY = {
    "gpt2": {**GPT2, "resid_pdrop": 0.3, "embd_pdrop": 0.3, "attn_pdrop": 0.3},
    # Handed to the attention function as a number, wherever the layer is in training.
    "qwen3": {"head_dim": 8, "attention_dropout": 0.4},
    "mixtral": {"num_local_experts": 4, "router_jitter_noise": 0.3},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32, "layerdrop": 0.5, "dropout": 0.3},
}


def noisy(family: str):
    torch.manual_seed(0)
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "pad_token_id": PAD,
        "bos_token_id": None,
        "eos_token_id": 1,
    }
    config = AutoConfig.for_model(family, **{**sizes, **NOISY[family]})
    return scale_up(AutoModelForCausalLM.from_config(config).eval(), 6.0)


def options(lora) -> TrainingOptions:
    return TrainingOptions(
        epochs=None,
        max_steps=1,
        batch_size=8,
        micro_batch_size=4,
        learning_rate=1e-4,
        lora=lora,
    )


def trained(model, groups, name: str, tmp_path, reference=None, lora=None):
    chosen = options(lora)
    objective = base.create(name, {}, chosen.schedule(len(groups), 0))
    return train(
        PolicyForward(model, groups, chosen, PAD),
        objective,
        metrics_path=None,
        failure_path=tmp_path / "failure.json",
        reference_logps=reference,
    ).metrics[0]


def test_these_models_are_noisy_in_training_mode():
    for family in NOISY:
        model, groups = noisy(family), random_groups(4)
        forward = PolicyForward(model.train(), groups, options(lora=None), PAD)
        first, second = (forward.micro_batch(range(4)).detach() for _ in range(2))
        assert (first - second).abs().max() > 0.1, family


@pytest.mark.parametrize("family", NOISY)
def test_a_policy_starts_at_its_reference(family, tmp_path):
    """A policy that has not moved has the loss log 2, to rounding (case 05: .627)."""
    groups = random_groups(8)
    reference = logps_of(noisy(family), groups)
    targets = ["q_proj", "v_proj"] if family != "gpt2" else ["c_attn"]
    model = add_lora(noisy(family), **{**LORA, "targets": targets}, seed=1)
    row = trained(model, groups, "dpo", tmp_path, reference, LORA)
    assert row["loss"] == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.parametrize("family", NOISY)
def test_a_full_fine_tune_sees_the_likelihood_of_the_model_itself(family, tmp_path):
    groups = random_groups(8, responses=1, labels=False)
    lengths = torch.tensor([len(group.responses[0]) for group in groups])
    reference = logps_of(noisy(family), groups)[:, 0]
    row = trained(noisy(family), groups, "sft", tmp_path)
    assert row["loss"] == pytest.approx(-(reference.sum() / lengths.sum()).item(), rel=1e-5)


def test_an_adapters_own_dropout_is_on_and_a_reference_leaves_it_on():
    model = tiny_lora(dropout=0.4)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.05)
    train_adapters(model)
    assert {type(m) for m in model.modules() if m.training} == {nn.ModuleDict, nn.Dropout}
    groups = random_groups(4)
    forward = PolicyForward(model, groups, options(lora=LORA), PAD)
    with torch.no_grad():
        torch.manual_seed(0)
        noisy_once = forward.micro_batch(range(4))
        # Both take the dropout off for themselves, and must leave it as it was.
        AdapterOffReference(forward).micro_batch(range(4))
        quiet = forward.dataset(range(4))
        torch.manual_seed(0)
        again = forward.micro_batch(range(4))
    assert torch.equal(noisy_once, again)
    assert (noisy_once - quiet).abs().max() > 1e-3
    with without_dropout(model):
        assert not any(module.training for module in model.modules())
        with torch.no_grad():
            torch.testing.assert_close(forward.micro_batch(range(4)), quiet)
