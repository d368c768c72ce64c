"""Our LoRA layer against peft's own: values, gradients, and whatever can be switched on in it."""

import copy

import peft
import pytest
import torch
from peft.tuners import lora
from tiny_policy import LORA, tiny_model

from prefgrid.models.loading import add_lora
from prefgrid.models.lora_linear import InPlaceLoraLinear

IDS = torch.arange(2, 26).view(3, 8)


def both(dtype=torch.float64, adapter_dtype=torch.float64, dropout=0.0, **changes):
    """The same model and adapter twice: with our layers, with peft's."""
    ours = add_lora(tiny_model(**changes).to(dtype), **{**LORA, "dropout": dropout}, seed=1)
    config = peft.LoraConfig(
        r=LORA["rank"],
        lora_alpha=LORA["alpha"],
        lora_dropout=dropout,
        target_modules=LORA["targets"],
        task_type="CAUSAL_LM",
    )
    theirs = peft.get_peft_model(tiny_model(**changes).to(dtype), config)
    torch.manual_seed(0)
    for name, weight in ours.named_parameters():
        if "lora_" in name:
            weight.data = torch.randn(weight.shape, dtype=adapter_dtype) / 4
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()), assign=True)
    return ours, theirs


def logits(model, seed=0):
    torch.manual_seed(seed)
    return model(IDS).logits


def gradients(model, seed=0):
    logits(model, seed).float().square().mean().backward()
    return [weight.grad for weight in model.parameters() if weight.grad is not None]


def assert_equal_results(models, rtol, seed=0):
    ours, theirs = [[logits(model, seed).detach(), *gradients(model, seed)] for model in models]
    assert len(ours) == len(theirs) > 1
    for mine, oracle in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, oracle, rtol=rtol, atol=rtol)


def test_every_linear_layer_is_ours_and_the_oracles_is_not():
    kinds = [
        [type(layer) for layer in model.modules() if isinstance(layer, lora.LoraLayer)]
        for model in both()
    ]
    assert kinds == [[InPlaceLoraLinear] * 14, [lora.Linear] * 14]  # 2 decoder layers of 7


def test_values_and_gradients_to_rounding():
    assert_equal_results(both(torch.float32, torch.float32), rtol=1e-5)
    models = both()
    assert_equal_results(models, rtol=1e-12)
    with models[0].disable_adapter():
        assert not torch.allclose(logits(models[0]), logits(models[1]))  # the adapter does matter


def test_base_layers_with_a_bias():
    models = both(attention_bias=True)
    torch.manual_seed(7)
    biases = [torch.randn(64, dtype=torch.float64) for _ in range(8)]
    for model in models:
        layers = [layer.base_layer for layer in model.modules() if hasattr(layer, "base_layer")]
        biased = [layer for layer in layers if layer.bias is not None]
        assert len(biased) == 8  # q, k, v and o of 2 decoder layers
        for layer, bias in zip(biased, biases, strict=True):
            layer.bias.data = bias[: len(layer.bias)]
    assert_equal_results(models, rtol=1e-12)


@torch.no_grad()
def test_adapters_with_a_bias():
    torch.manual_seed(2)
    x, base = torch.randn(3, 4), torch.nn.Linear(4, 5)
    config = peft.LoraConfig(r=2, lora_bias=True, init_lora_weights=False)
    kinds = InPlaceLoraLinear, lora.Linear
    ours, theirs = (kind(copy.deepcopy(base), "one", config=config, r=2) for kind in kinds)
    theirs.load_state_dict(ours.state_dict())
    ours.lora_B["one"].bias.fill_(1.0)
    theirs.lora_B["one"].bias.fill_(1.0)
    assert torch.equal(ours(x), theirs(x))


def test_gradients_reach_what_lies_before_the_adapters():
    embeddings = []
    for model in both():
        embeds = model.get_input_embeddings()(IDS).detach().requires_grad_()
        model(inputs_embeds=embeds).logits.square().mean().backward()
        embeddings.append(embeds.grad)
    torch.testing.assert_close(*embeddings, rtol=1e-12, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("state", ["disabled", "merged"])
def test_switched_off_and_merged(state):
    results = []
    for model in both():
        if state == "merged":
            model.merge_adapter()
            results.append(logits(model))
        else:
            with model.disable_adapter():
                results.append(logits(model))
    assert torch.equal(*results)


def test_dropout_draws_what_peft_draws():
    models = [model.train() for model in both(dropout=0.5)]
    assert_equal_results(models, rtol=1e-12, seed=3)
    assert not torch.allclose(logits(models[0], seed=3), logits(models[0], seed=4))


def test_adapter_of_another_dtype_than_the_weights():
    assert_equal_results(both(torch.bfloat16, torch.float32), rtol=0)


def test_autocast():
    models = both(torch.float32, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert_equal_results(models, rtol=0)


@torch.no_grad()
def test_two_active_adapters():
    results = []
    for model in both():
        torch.manual_seed(5)
        model.add_adapter("second", model.peft_config["default"])
        for name, weight in model.named_parameters():
            if "lora_B.second" in name:
                weight.normal_()
        alone = logits(model)
        model.base_model.set_adapter(["default", "second"])
        results.append(logits(model))
        assert not torch.allclose(results[-1], alone)
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-6)
