"""Gradient checkpointing changes memory and time, and nothing else.

The kind: gradients that differ, dropout that is drawn anew in the backward, a base's own dropout that
comes on, and a switch that does nothing.
"""

from contextlib import nullcontext

import pytest
import tiny_families
import torch
from tiny_policy import LORA, PAD, logps_of, random_groups, tiny_lora, tiny_model, trainable_of
from torch.autograd.graph import saved_tensors_hooks

from prefgrid.logprobs.sequence import sequence_logps
from prefgrid.models import gradient_checkpointing
from prefgrid.models.dropout import train_adapters
from prefgrid.models.loading import add_lora
from prefgrid.objectives import base
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.step import PolicyForward

GROUPS = random_groups(4)
# Of whose layers some cannot take an adapter (fused experts, convolutions).
ATTENTION = {"lfm2": ["q_proj", "v_proj"], "gpt2": ["c_attn"]}


def gradients(model, wanted: bool):
    """(log-probabilities, gradients by name, elements that the graph kept)."""
    kept: dict[int, int] = {}
    weights = {weight.data_ptr() for weight in model.parameters()}

    def keep(tensor):
        if tensor.data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    model.zero_grad()
    torch.manual_seed(0)
    with gradient_checkpointing.applied(model, wanted):
        with saved_tensors_hooks(keep, lambda tensor: tensor):
            sums, _ = sequence_logps(
                model,
                [group.prompt_tokens for group in GROUPS],
                [group.responses for group in GROUPS],
                pad_id=PAD,
            )
            memory = sum(kept.values())
        sums.sum().backward()
    found = {n: w.grad.clone() for n, w in model.named_parameters() if w.grad is not None}
    return sums.detach(), found, memory


def assert_alike(model) -> None:
    sums, plain, memory = gradients(model, False)
    again, recomputed, less = gradients(model, True)
    assert torch.equal(sums, again)
    assert plain.keys() == recomputed.keys() and plain
    for name, gradient in plain.items():
        assert torch.equal(gradient, recomputed[name]), name
    assert any(gradient.any() for gradient in plain.values())
    assert less < 0.6 * memory


@pytest.mark.parametrize("family", tiny_families.FAMILIES)
def test_gradients_of_all_weights_are_equal_and_memory_is_less(family):
    assert_alike(tiny_families.tiny_decoder(family))


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2", "lfm2", "opt", "qwen3_5"])
def test_gradients_of_an_adapter_and_its_dropout_are_equal(family):
    """The configs' own dropout (OPT's default is .1, GPT-2's too) stays off."""
    targets = ATTENTION.get(family, "all-linear")
    model = tiny_families.tiny_decoder(family)
    model = add_lora(model, **{**LORA, "dropout": 0.3, "targets": targets}, seed=1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.05)
    train_adapters(model)
    assert_alike(model)


@pytest.mark.parametrize("lora", [LORA, None])
def test_a_run_ends_with_the_same_bits(tmp_path, lora):
    reference = logps_of(tiny_model(), GROUPS)
    ends = []
    for wanted in (False, True):
        options = TrainingOptions(
            epochs=None,
            max_steps=3,
            batch_size=4,
            micro_batch_size=2,
            learning_rate=1e-2,
            lora=lora,
            gradient_checkpointing=wanted,
        )
        model = tiny_lora(dropout=0.2) if lora else tiny_model()
        result = train(
            PolicyForward(model, GROUPS, options, PAD),
            base.create("rspo", {}, options.schedule(4, 0)),
            metrics_path=None,
            failure_path=tmp_path / "failure.json",
            reference_logps=reference,
        )
        ends.append((trainable_of(model), result.metrics))
        assert not any("forward" in vars(module) for module in model.modules())
    (plain, rows), (recomputed, others) = ends
    assert rows == others
    assert all(torch.equal(weight, recomputed[name]) for name, weight in plain.items())


def test_a_class_without_it_is_refused_by_name(monkeypatch):
    model = tiny_model()
    monkeypatch.setattr(type(model), "supports_gradient_checkpointing", False)
    with (
        pytest.raises(ValueError, match="Qwen3ForCausalLM does not support .*; allowed: .*false"),
        gradient_checkpointing.applied(model),
    ):
        pass
    with gradient_checkpointing.applied(model, False):
        pass


def test_nothing_is_recomputed_without_a_gradient():
    model, calls = tiny_model(), []
    layer = model.model.layers[0]
    layer.mlp.register_forward_pre_hook(lambda *_: calls.append(1))
    for context, expected in ((torch.no_grad(), 1), (nullcontext(), 2)):
        calls.clear()
        with gradient_checkpointing.applied(model), context:
            logits = model(input_ids=torch.tensor([[3, 4, 5]])).logits
            if logits.requires_grad:
                logits.sum().backward()
        assert len(calls) == expected
