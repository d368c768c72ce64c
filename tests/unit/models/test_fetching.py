"""Sources that are no whole model, and models whose own files contradict themselves."""

import json

import pytest
from tiny_policy import tiny_model, tiny_tokenizer
from transformers import GenerationConfig

from prefgrid.files import store
from prefgrid.models.fetching import fetch_model
from prefgrid.models.loading import add_lora, load_causal_lm, save_adapter, save_model
from prefgrid.sampling.request import stop_ids


@pytest.fixture
def raw(tmp_path):
    save_model(tmp_path / "raw", tiny_model(vocab_size=258), tiny_tokenizer())
    return tmp_path / "raw"


# What authors meant → the token ids of it. Vicuna, Llama-2-chat and Mistral kinds: settings that
# only sampling has, with do_sample left out.
KINDS = [
    ({"temperature": 0.9, "top_p": 0.6, "bos_token_id": 5, "eos_token_id": [7, 9]}, [7, 9]),
    ({"top_k": 20, "eos_token_id": 7}, 7),
    ({"length_penalty": 0.5, "eos_token_id": 7}, 7),
]


@pytest.mark.parametrize(("settings", "ends"), KINDS)
def test_sampling_defaults_without_do_sample_are_kept_apart(raw, tmp_path, settings, ends):
    """The kind: a generation config that can be read and not saved. Its end tokens stay in force."""
    (raw / "generation_config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError):
        GenerationConfig.from_pretrained(raw).save_pretrained(tmp_path)
    fetch_model(str(raw), None, tmp_path / "got", "causal")
    origin = store.read_json(tmp_path / "got" / "source.json")
    assert settings.items() <= origin["generation_config"].items()
    model = load_causal_lm(tmp_path / "got")
    assert model.generation_config.eos_token_id == ends
    assert set(ends if isinstance(ends, list) else [ends]) < set(
        stop_ids(tiny_tokenizer(), model, "raw")
    )


def test_a_sound_generation_config_is_left_as_it_is(raw, tmp_path):
    settings = {"do_sample": True, "temperature": 0.9, "top_p": 0.6, "eos_token_id": [7, 9]}
    (raw / "generation_config.json").write_text(json.dumps(settings))
    fetch_model(str(raw), None, tmp_path / "got", "causal")
    assert settings.items() <= store.read_json(tmp_path / "got/generation_config.json").items()
    assert "generation_config" not in store.read_json(tmp_path / "got" / "source.json")


@pytest.mark.parametrize("kind", ["causal", "sequence-classification"])
@pytest.mark.parametrize("beside_a_model", [False, True])
def test_an_adapter_is_no_model(raw, tmp_path, kind, beside_a_model):
    """Also where a config.json lies beside it: transformers would then load both."""
    adapter = raw if beside_a_model else tmp_path / "adapter"
    lora = {"rank": 2, "alpha": 2, "dropout": 0.0, "targets": ["q_proj"]}
    save_adapter(adapter, add_lora(tiny_model(vocab_size=258), **lora, seed=0))
    config = store.read_json(adapter / "adapter_config.json")
    config["base_model_name_or_path"] = "owner/base-model"
    store.write_json(adapter / "adapter_config.json", config)
    with pytest.raises(ValueError, match=r"is an adapter \(LORA\) of the base model 'owner/base-m"):
        fetch_model(str(adapter), None, tmp_path / "got", kind)
    assert not (tmp_path / "got").exists()
