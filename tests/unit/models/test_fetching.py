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


def with_config(raw, **keys):
    path = raw / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_weights_that_are_quantized_are_refused_by_name(raw, tmp_path):
    """The kind: transformers asks for a package that would break the environment, and nothing here could
    train or mix such weights."""
    with_config(raw, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(
        ValueError, match=r"weights are quantized \(gptq\); give the model that it was"
    ):
        fetch_model(str(raw), None, tmp_path / "got", "causal")


def test_attention_that_depends_on_earlier_rows_is_refused_by_name(raw, tmp_path):
    """BigBird switches itself to full attention at its first short row, for good."""
    with_config(raw, model_type="big_bird", attention_type="block_sparse")
    with pytest.raises(ValueError, match="attention_type block_sparse .* set original_full"):
        fetch_model(str(raw), None, tmp_path / "got", "causal")


def test_a_model_with_an_encoder_is_no_policy(raw, tmp_path):
    with_config(raw, model_type="bart")
    with pytest.raises(
        ValueError, match="a bart reads a prompt by an encoder of its own; policies"
    ):
        fetch_model(str(raw), None, tmp_path / "got", "causal")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"rope_parameters": {"rope_type": "superrope"}}, "superrope"),
        ({"model_type": "no_such_type"}, "no_such_type"),
    ],
)
def test_whatever_loading_raises_is_told_with_what_is_allowed(raw, tmp_path, keys, words):
    """The kind: an error of another class than was thought of ends in a traceback."""
    with_config(raw, **keys)
    with pytest.raises(ValueError, match="Allowed: a hub id") as caught:
        fetch_model(str(raw), None, tmp_path / "got", "causal")
    assert words in str(caught.value)


def test_a_tokenizer_that_could_fill_up_no_row_is_refused(raw, tmp_path):
    path = raw / "tokenizer_config.json"
    settings = json.loads(path.read_text()) | {"pad_token": None, "eos_token": None}
    path.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="neither a padding nor an end token; name one in"):
        fetch_model(str(raw), None, tmp_path / "got", "causal")


def test_a_causal_model_as_a_reward_model_is_told_what_it_is(raw, tmp_path):
    with pytest.raises(ValueError, match="num_labels is 2, 1 is needed .*CausalLM"):
        fetch_model(str(raw), None, tmp_path / "got", "sequence-classification")
