"""Models and adapters as folders."""

import json
import re

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file
from tiny_policy import LORA, tiny_tokenizer
from tiny_policy import tiny_model as small_vocabulary_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Qwen3ForSequenceClassification,
)

from prefgrid.files import store
from prefgrid.models import checking
from prefgrid.models.fetching import fetch_model
from prefgrid.models.loading import (
    add_lora,
    load_adapter,
    load_causal_lm,
    load_config,
    load_tokenizer,
    pad_id,
    save_adapter,
    save_model,
    save_tokenizer,
)

IDS = torch.tensor([[3, 4, 5, 6]])


def tiny_model(seed: int = 0, **changes):
    """One with an embedding for every token of the tiny tokenizer."""
    return small_vocabulary_model(seed, **{"vocab_size": 258, **changes})


def tiny_lora(**changes):
    return add_lora(tiny_model(), **{**LORA, **changes}, seed=1)


@pytest.fixture
def base_folder(tmp_path):
    save_model(tmp_path / "base", tiny_model(), tiny_tokenizer())
    return tmp_path / "base"


@torch.no_grad()
def test_model_survives_the_disk(base_folder):
    model, tokenizer = load_causal_lm(base_folder), load_tokenizer(base_folder)
    assert torch.equal(model(IDS).logits, tiny_model()(IDS).logits)
    assert model.config._attn_implementation == "sdpa" and not model.training
    assert tokenizer("ab")["input_ids"] == tiny_tokenizer()("ab")["input_ids"]
    assert pad_id(tokenizer) == 256
    for precision, dtype in (("none", torch.float32), ("bf16", torch.bfloat16)):
        assert load_causal_lm(base_folder, precision).dtype == dtype
    with pytest.raises(ValueError, match="precision 'int8': allowed are none, bf16, fp16"):
        load_causal_lm(base_folder, "int8")


def test_manifest_lists_every_file_and_equal_models_give_equal_bytes(base_folder, tmp_path):
    manifest = store.read_json(base_folder / "manifest.json")
    files = {path.name for path in base_folder.iterdir()} - {"manifest.json"}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= files
    assert manifest == {name: store.sha256_file(base_folder / name) for name in files}
    save_model(tmp_path / "again", tiny_model(), tiny_tokenizer())
    assert store.read_json(tmp_path / "again" / "manifest.json") == manifest
    save_model(tmp_path / "other", tiny_model(seed=1), tiny_tokenizer())
    assert store.read_json(tmp_path / "other" / "manifest.json") != manifest


def test_new_adapter_depends_on_its_seed_alone_and_changes_nothing_yet():
    before = torch.get_rng_state()
    torch.manual_seed(1)
    first = tiny_model()
    first = add_lora(first, **LORA, seed=5)
    torch.manual_seed(2)
    second = add_lora(tiny_model(), **LORA, seed=5)
    third = add_lora(tiny_model(), **LORA, seed=6)
    weights = [
        {name: value for name, value in model.named_parameters() if "lora_A" in name}
        for model in (first, second, third)
    ]
    assert weights[0] and all(value.requires_grad for value in weights[0].values())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not any(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])
    assert torch.equal(first(IDS).logits, tiny_model()(IDS).logits)

    model = tiny_model()
    torch.set_rng_state(before)
    add_lora(model, **LORA, seed=5)
    assert torch.equal(torch.get_rng_state(), before), "the global random state moved"


def test_adapter_targets():
    def adapted(model) -> set[str]:
        names = [name for name, _ in model.named_parameters() if "lora_A" in name]
        return {name.split(".lora_A")[0].split(".")[-1] for name in names}

    assert adapted(tiny_lora(targets=["q_proj", "v_proj"])) == {"q_proj", "v_proj"}
    every = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert adapted(tiny_lora()) == every


def test_a_target_may_be_the_end_of_a_name():
    names = [name for name, _ in tiny_lora(targets=["0.self_attn.q_proj"]).named_parameters()]
    assert {name.split(".lora_A")[0][-18:] for name in names if "lora_A" in name} == {
        "0.self_attn.q_proj"
    }


@torch.no_grad()
def test_adapter_survives_the_disk(base_folder, tmp_path):
    model = tiny_lora()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.fill_(0.05)
    save_adapter(tmp_path / "adapter", model)
    frozen = load_adapter(load_causal_lm(base_folder), tmp_path / "adapter")
    torch.testing.assert_close(frozen(IDS).logits, model(IDS).logits)
    assert not any(weight.requires_grad for weight in frozen.parameters())
    trainable = load_adapter(load_causal_lm(base_folder), tmp_path / "adapter", trainable=True)
    names = {name for name, weight in trainable.named_parameters() if weight.requires_grad}
    assert names and all("lora_" in name for name in names)


def test_adapter_files_depend_on_the_adapter_alone(base_folder, tmp_path):
    """peft writes the base's path and an unordered set of layer names; neither may leak."""
    save_adapter(tmp_path / "one", tiny_lora())
    save_adapter(tmp_path / "two", add_lora(load_causal_lm(base_folder), **LORA, seed=1))
    manifest = store.read_json(tmp_path / "one" / "manifest.json")
    assert set(manifest) == {"adapter_model.safetensors", "adapter_config.json"}
    assert store.read_json(tmp_path / "two" / "manifest.json") == manifest
    config = json.loads((tmp_path / "one" / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(config["target_modules"])


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: does not hold a model .config.json is missing"):
        load_causal_lm(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="does not hold a tokenizer"):
        load_tokenizer(tmp_path)
    with pytest.raises(ValueError, match="does not hold an adapter"):
        load_adapter(tiny_model(), tmp_path)


def test_an_adapters_folder_is_no_source_of_a_tokenizer(tmp_path):
    save_adapter(tmp_path, tiny_lora())
    with pytest.raises(ValueError, match="holds an adapter; the tokenizer is the reference's"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path):
    save_model(tmp_path, small_vocabulary_model(), tiny_tokenizer())
    with pytest.raises(ValueError, match="ids up to 257, .* has 60 rows"):
        load_tokenizer(tmp_path)
    load_causal_lm(tmp_path)


def test_special_tokens_that_a_text_model_never_uses_need_no_embedding(base_folder):
    """As the image token of a text model whose family also has models of images."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<image_soft_token>"], special_tokens=True)
    assert tokenizer.convert_tokens_to_ids("<image_soft_token>") == 258
    (base_folder / "manifest.json").unlink()
    tokenizer.save_pretrained(base_folder)
    assert len(load_tokenizer(base_folder)) == 259


@pytest.mark.parametrize(
    "extend",
    [
        lambda tokenizer: tokenizer.add_special_tokens({"bos_token": "<new>"}),
        lambda tokenizer: tokenizer.add_special_tokens({"eos_token": "<new>"}),
        lambda tokenizer: tokenizer.add_special_tokens({"pad_token": "<new>"}),
        lambda tokenizer: tokenizer.add_tokens(["<user>"], special_tokens=True),
        lambda tokenizer: tokenizer.add_tokens(["word"]),
    ],
    ids=["begin", "end", "pad", "in the template", "word"],
)
def test_added_tokens_that_a_model_is_given_need_an_embedding(base_folder, extend):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{% for turn in messages %}<user>{{ turn.content }}{% endfor %}"
    extend(tokenizer)
    with pytest.raises(ValueError, match="ids up to 258, .* has 258 rows"):
        checking.check_vocabulary(base_folder, tokenizer, 258)


def test_an_adapter_of_another_model_is_refused(base_folder, tmp_path):
    """Of other shapes, and of other layers, which peft alone would leave as they were made."""
    save_adapter(
        tmp_path / "wide", add_lora(small_vocabulary_model(hidden_size=16), **LORA, seed=1)
    )
    with pytest.raises(ValueError, match="wide: the adapter does not fit the model of '.*base'"):
        load_adapter(load_causal_lm(base_folder), tmp_path / "wide")
    save_adapter(
        tmp_path / "deep", add_lora(small_vocabulary_model(num_hidden_layers=3), **LORA, seed=1)
    )
    with pytest.raises(ValueError, match="deep: the adapter does not fit .* layers"):
        load_adapter(load_causal_lm(base_folder), tmp_path / "deep")


@pytest.mark.parametrize(
    "stray", ["chat_template.jinja", "adapter_config.json", "additional_chat_templates/tool.jinja"]
)
def test_a_file_more_than_the_manifest_lists_is_refused_by_name(base_folder, stray):
    """Kind: libraries read a model's folder by names, so one file more makes another model.

    Each of the three is such a file; the first changes every rendering.
    """
    (base_folder / stray).parent.mkdir(exist_ok=True)
    (base_folder / stray).write_text("{{ 'another' }}")
    name = re.escape(str(base_folder / stray.partition("/")[0]))
    # With an adapter's config it is none of a tokenizer already.
    for load in (load_causal_lm, load_config if "adapter" in stray else load_tokenizer):
        with pytest.raises(store.DataError, match=f"^{name}: is not among the files"):
            load(base_folder)


def test_private_files_beside_a_model_are_nobody_s(base_folder):
    for name in ("_provenance.json", ".DS_Store"):
        (base_folder / name).write_text("{}")
    load_causal_lm(base_folder)


def test_weights_too_big_to_hash_are_still_checked_for_being_cut(base_folder, monkeypatch):
    monkeypatch.setattr(checking, "HASHED_BYTES", 0)
    checking.check_files(base_folder)
    weights = base_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(store.DataError, match="model.safetensors: is cut or damaged"):
        load_causal_lm(base_folder)


@pytest.mark.parametrize(
    ("broken", "text"),
    [("{", "config.json: "), ('{"model_type": "nobodys"}', "config.json: .*nobodys")],
)
def test_a_broken_configuration_is_named(base_folder, broken, text):
    (base_folder / "manifest.json").unlink()  # as in a folder that somebody else wrote
    (base_folder / "config.json").write_text(broken)
    with pytest.raises(ValueError, match=text):
        load_causal_lm(base_folder)


def reward_model(num_labels: int) -> Qwen3ForSequenceClassification:
    config = tiny_model().config
    config.num_labels = num_labels
    torch.manual_seed(0)
    return Qwen3ForSequenceClassification(config)


def test_fetching_from_a_folder_keeps_dtype_and_makes_one_file(tmp_path):
    tiny_model().bfloat16().save_pretrained(tmp_path / "raw", max_shard_size="8KB")
    tiny_tokenizer().save_pretrained(tmp_path / "raw")
    assert len(list((tmp_path / "raw").glob("*.safetensors"))) > 1
    fetch_model(str(tmp_path / "raw"), None, tmp_path / "got", "causal")
    weights = load_file(tmp_path / "got" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    manifest = store.read_json(tmp_path / "got" / "manifest.json")
    assert manifest["source.json"] == store.sha256_file(tmp_path / "got" / "source.json")
    origin = store.read_json(tmp_path / "got" / "source.json")
    assert origin == {"source": str(tmp_path / "raw"), "revision": None, "commit": None}


def test_fetching_records_the_commit_that_a_branch_stood_for(tmp_path, monkeypatch):
    """The hub's cache on disk, without a network: branch main is a commit's snapshot."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "cache" / "models--owner--name"
    save_model(cached / "snapshots" / commit, tiny_model(), tiny_tokenizer())
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    fetch_model("owner/name", "main", tmp_path / "got", "causal")
    origin = store.read_json(tmp_path / "got" / "source.json")
    assert origin == {"source": "owner/name", "revision": "main", "commit": commit}


def test_fetching_a_reward_model_needs_exactly_one_score(tmp_path):
    for labels in (1, 2):
        save_model(tmp_path / f"labels{labels}", reward_model(labels), tiny_tokenizer())
    source, kind = str(tmp_path / "labels1"), "sequence-classification"
    fetch_model(source, None, tmp_path / "got", kind)
    got = AutoModelForSequenceClassification.from_pretrained(tmp_path / "got")
    assert got.config.num_labels == 1
    with pytest.raises(ValueError, match="num_labels is 2, 1 is needed"):
        fetch_model(str(tmp_path / "labels2"), None, tmp_path / "bad", kind)
    assert not (tmp_path / "bad").exists()


def refusal(folder, tmp_path, kind: str = "causal", **how) -> str:
    with pytest.raises(ValueError) as caught:
        fetch_model(str(folder), None, tmp_path / "got", kind, **how)
    assert not (tmp_path / "got").exists()
    return str(caught.value)


def test_a_model_that_would_end_a_later_job_is_not_fetched(tmp_path):
    model, sound = tiny_model(), tmp_path / "sound"
    save_model(sound, model, tiny_tokenizer())
    assert "has no chat template" in refusal(sound, tmp_path, prompt_format="chat")
    save_model(tmp_path / "small", small_vocabulary_model(), tiny_tokenizer())
    assert "ids up to 257" in refusal(tmp_path / "small", tmp_path)
    found = refusal(sound, tmp_path, "sequence-classification")
    assert "num_labels is 2" in found
    config = store.read_json(sound / "config.json")
    store.write_json(sound / "config.json", config | {"id2label": {"0": "score"}})
    assert "score.weight are missing" in refusal(sound, tmp_path, "sequence-classification")
    store.write_json(sound / "config.json", config | {"intermediate_size": 40})
    assert "shapes of the weights" in refusal(sound, tmp_path)
    (sound / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    assert "cannot get model" in refusal(sound, tmp_path)
    with torch.no_grad():
        model.model.norm.weight[3] = torch.inf
    save_model(tmp_path / "infinite", model, tiny_tokenizer())
    assert "model.norm.weight are NaN or infinite" in refusal(tmp_path / "infinite", tmp_path)


@pytest.mark.parametrize("source", ["no-such-owner/no-such-model", "/no/such/folder", "not a name"])
def test_unreachable_source_says_what_was_tried(tmp_path, monkeypatch, source):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError) as caught:
        fetch_model(source, "abc123", tmp_path / "got", "causal")
    message = str(caught.value)
    assert source in message and "abc123" in message
    assert "tried the hub" in message and "owner/name" in message
    assert not (tmp_path / "got").exists()
    with pytest.raises(ValueError, match="kind 'reward': allowed are causal"):
        fetch_model(source, None, tmp_path / "got", "reward")


def test_a_tokenizers_bytes_do_not_tell_how_it_was_read(tmp_path):
    """The kind: what transformers notes of a load, whether the hub might be asked, say, enters the files of
    all that is made from the tokenizer."""
    save_model(tmp_path / "first", small_vocabulary_model(vocab_size=258), tiny_tokenizer())
    for offline in (False, True):
        read = AutoTokenizer.from_pretrained(tmp_path / "first", local_files_only=offline)
        save_tokenizer(tmp_path / f"{offline}", read)
    for path in (tmp_path / "True").iterdir():
        assert path.read_bytes() == (tmp_path / "False" / path.name).read_bytes(), path.name
