"""Preference models as folders: ours to the bit, published ones by their names and shapes, and what is refused."""

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_policy import tiny_lora, tiny_model
from tiny_preferences import chat_tokenizer, preference_model, saved
from transformers import AutoModelForCausalLM

from prefgrid.files import store
from prefgrid.models.loading import load_tokenizer, save_tokenizer, write_manifest
from prefgrid.models.preference import PreferenceModel
from prefgrid.models.preference_folder import load_preference_model, save_preference_model

NOTHING = {"dimension": None, "gate": None, "normalize": None, "temperature": None}
IDS = torch.tensor([[5, 9, 23, 41, 7]])


def load(folder, precision="none", **overrides) -> PreferenceModel:
    return load_preference_model(folder, precision, {**NOTHING, **overrides})


@torch.no_grad()
def state(model: PreferenceModel) -> torch.Tensor:
    return model.get_decoder()(input_ids=IDS).last_hidden_state[0, -1]


def published(folder, *, tied: bool = True, shards: int = 1, **changes):
    """As the authors' class saves it: the decoder below `model.`, no output layer, nothing of ours."""
    saved(folder, **changes)
    config = json.loads((folder / "config.json").read_text())
    del config["preference_model"]
    config |= {"tie_word_embeddings": tied, "architectures": ["CustomRewardModel"]}
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    weights.pop("lm_head.weight", None)
    (folder / "model.safetensors").unlink()
    (folder / "manifest.json").unlink()
    names = sorted(weights)
    files, index = [names[part::shards] for part in range(shards)], {}
    for number, part in enumerate(files, start=1):
        file = (
            f"model-{number:05}-of-{shards:05}.safetensors" if shards > 1 else "model.safetensors"
        )
        save_file({name: weights[name] for name in part}, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(part, file)
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {}, "weight_map": index})
        )
    return folder


@torch.no_grad()
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"gate": "softmax"},
        {"dimension": 1, "normalize": False, "temperature": 1.0},
        {"gate": "softplus", "temperature": 0.3, "learn_temperature": True},
    ],
)
def test_a_saved_model_loads_again_exactly(tmp_path, changes):
    tokenizer = chat_tokenizer()
    model = preference_model(model=tiny_model(vocab_size=len(tokenizer)), **changes)
    if changes.get("learn_temperature"):
        model.raw_temperature += 0.7
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    save_preference_model(tmp_path, model, tokenizer)
    again = load(tmp_path)
    assert again.shape == model.shape
    assert float(again.temperature) == float(model.temperature)
    assert torch.equal(state(again), state(model))
    h = state(model)
    assert torch.equal(again.embeddings(h), model.embeddings(h))
    if model.prompt_head is not None:
        assert torch.equal(again.scales(h), model.scales(h))
    assert not any(weight.requires_grad for weight in again.parameters())
    # What was saved is as it was.
    assert all(torch.equal(before[name], weight) for name, weight in model.named_parameters())


def test_a_folder_of_ours_is_a_causal_language_models_too(tmp_path):
    saved(tmp_path, gate="softmax")
    weights = load_file(tmp_path / "model.safetensors")
    assert list(weights["value_head.weight"].shape) == [4, 32]
    assert list(weights["prompt_head.weight"].shape) == [2, 32]
    config = store.read_json(tmp_path / "config.json")["preference_model"]
    assert config == {
        "dimension": 4,
        "gate": "softmax",
        "normalize": True,
        "temperature": 0.25,
        "learn_temperature": False,
    }
    assert set(store.read_json(tmp_path / "manifest.json")) >= {"model.safetensors", "config.json"}
    causal = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(
        causal.model(input_ids=IDS).last_hidden_state[0, -1].detach(), state(load(tmp_path))
    )


def test_an_adapter_is_saved_merged(tmp_path):
    tokenizer = chat_tokenizer()
    model = PreferenceModel(tiny_lora(), preference_model().shape).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3)
        expected = model.get_decoder()(input_ids=IDS).last_hidden_state[0, -1]
    # The tokenizer's ids would not fit; only weights are looked at.
    save_preference_model(tmp_path, model, tokenizer)
    assert not (tmp_path / "adapter_config.json").exists()
    torch.testing.assert_close(state(load(tmp_path)), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("tied", [True, False])
def test_a_published_folder_loads_by_the_options(tmp_path, tied, shards):
    """Also one whose output layer, which nobody reads, is not there at all."""
    ours = load(saved(tmp_path / "ours", gate="softmax"))
    folder = published(tmp_path / "theirs", tied=tied, shards=shards, gate="softmax")
    theirs = load(folder, gate="scaled_softmax", normalize=False, temperature=0.1)
    assert torch.equal(state(theirs), state(ours))
    assert torch.equal(theirs.value_head.weight, ours.value_head.weight)
    assert torch.equal(theirs.prompt_head.weight, ours.prompt_head.weight)
    assert theirs.shape.gate == "scaled_softmax" and theirs.shape.temperature == 0.1
    assert theirs.shape.dimension == 4 and not theirs.shape.normalize


def test_a_published_folder_without_a_prompt_head_has_no_gate(tmp_path):
    folder = published(tmp_path / "theirs")
    assert load(folder, normalize=True, temperature=0.1).shape.gate == "none"


def test_an_override_counts_more_than_the_folder(tmp_path):
    saved(tmp_path, temperature=0.3, learn_temperature=True)
    model = load(tmp_path, temperature=0.7, normalize=False)
    assert model.temperature == 0.7 and not model.shape.normalize


def test_half_a_decoder_keeps_whole_heads(tmp_path):
    model = load(saved(tmp_path, gate="softmax"), "bf16")
    assert model.get_input_embeddings().weight.dtype == torch.bfloat16
    assert model.value_head.weight.dtype == model.prompt_head.weight.dtype == torch.float32


def without(folder, *names):
    return changed(folder, lambda weights: [weights.pop(name) for name in names])


def changed(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_manifest(folder)
    return folder


def refused(folder, message, **overrides):
    with pytest.raises(ValueError, match=re.escape(message)):
        load(folder, **overrides)


def test_a_folder_without_a_head_is_refused(tmp_path):
    folder = without(saved(tmp_path), "value_head.weight")
    refused(folder, "no weights file holds value_head.weight, so this is no preference model")


def test_heads_of_another_dimension_are_refused(tmp_path):
    folder = saved(tmp_path, gate="softmax")
    refused(folder, "value_head.weight has the shape [4, 32], but dimension 6", dimension=6)
    refused(folder, "dimension 3: embeddings are pairs of numbers", dimension=3)
    changed(folder, lambda weights: weights.update({"prompt_head.weight": torch.zeros(3, 32)}))
    refused(folder, "prompt_head.weight has the shape [3, 32], but dimension 4")


def test_a_head_of_another_models_width_is_refused(tmp_path):
    folder = changed(
        saved(tmp_path), lambda weights: weights.update({"value_head.weight": torch.zeros(4, 16)})
    )
    refused(folder, "value_head.weight has the shape [4, 16], but dimension 4 and states of 32")


def test_a_gate_without_its_head_and_a_head_without_its_gate_are_refused(tmp_path):
    gated = saved(tmp_path / "gated", gate="softmax")
    refused(gated, "holds prompt_head.weight, but the gate is to be none", gate="none")
    plain = saved(tmp_path / "plain")
    refused(plain, "no weights file holds prompt_head.weight, but the model is", gate="softmax")
    refused(without(gated, "prompt_head.weight"), "no weights file holds prompt_head.weight")


def test_a_learned_temperature_that_is_not_there_is_refused(tmp_path):
    folder = without(saved(tmp_path, learn_temperature=True), "raw_temperature")
    refused(folder, "no weights file holds raw_temperature")


def test_a_published_folder_is_not_guessed_at(tmp_path):
    folder = published(tmp_path, gate="softmax")
    refused(folder, "config.json says nothing of gate, normalize, temperature, as in published")
    refused(
        folder,
        "says nothing of gate, as in published folders; name it in",
        normalize=True,
        temperature=0.1,
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("value_head.weight", "value_head.weight is NaN or infinite"),
        ("model.norm.weight", "weights of backbone.norm.weight are NaN or infinite"),
    ],
)
def test_weights_that_are_not_finite_are_refused(tmp_path, name, message):
    folder = changed(saved(tmp_path), lambda weights: weights[name].view(-1)[3:4].fill_(torch.nan))
    refused(folder, message)


def test_a_decoder_that_lacks_weights_is_refused(tmp_path):
    folder = without(saved(tmp_path), "model.layers.1.mlp.up_proj.weight")
    refused(folder, "are missing from the file; those parts of the model would be random")


def test_an_entry_of_another_version_is_refused(tmp_path):
    saved(tmp_path)
    config = store.read_json(tmp_path / "config.json")
    config["preference_model"]["gate"] = "moe"
    store.write_json(tmp_path / "config.json", config)
    write_manifest(tmp_path)
    refused(tmp_path, "gate 'moe'; allowed: none, softmax")
    config["preference_model"] |= {"gate": "none", "heads": 3}
    store.write_json(tmp_path / "config.json", config)
    write_manifest(tmp_path)
    refused(tmp_path, "config.json, preference_model: unknown heads")


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    saved(tmp_path / "model")
    tokenizer = chat_tokenizer()
    tokenizer.add_tokens([f"<word {number}>" for number in range(30)])
    save_tokenizer(tmp_path / "model", tokenizer)
    with pytest.raises(store.DataError, match="is not the file that manifest.json lists"):
        load_tokenizer(tmp_path / "model")
    write_manifest(tmp_path / "model")
    with pytest.raises(ValueError, match="they belong to different models"):
        load_tokenizer(tmp_path / "model")


def test_a_damaged_folder_of_ours_is_refused(tmp_path):
    saved(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    path = tmp_path / "two" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(store.DataError, match="is not the file that manifest.json lists"):
        load(tmp_path / "two")
