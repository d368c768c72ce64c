"""Folders of judges' models: every file as it was, weights in one file, what is missing named."""

import json
import shutil
from datetime import date

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_pair_ranker import save_pair_ranker
from tiny_policy import tiny_model, tiny_tokenizer

from prefgrid.files import store
from prefgrid.judges import pair_ranker
from prefgrid.judges.pairwise import matrix
from prefgrid.models import checking
from prefgrid.models.fetching_folders import fetch_folder
from prefgrid.models.loading import add_lora, load_tokenizer, save_adapter, save_model

DAY = date(2024, 7, 26)


@pytest.fixture
def raw(tmp_path):
    folder = save_pair_ranker(tmp_path / "raw")
    (folder / "manifest.json").unlink()
    return folder


def fetch(raw, tmp_path):
    (tmp_path / "got").mkdir(exist_ok=True)
    fetch_folder(str(raw), None, tmp_path / "got", prompt_date=DAY)
    return tmp_path / "got"


def judge(folder):
    defaults = {name: default for name, (default, _) in pair_ranker.OPTIONS.items()}
    return pair_ranker.load(folder, defaults, prompt_format="chat", device=torch.device("cpu"))


def in_shards(raw):
    path = raw / "model.safetensors"
    weights = load_file(path)
    names = sorted(weights)
    for number, part in enumerate((names[:10], names[10:])):
        save_file({name: weights[name] for name in part}, raw / f"model-{number}.safetensors")
    path.unlink()


@pytest.mark.parametrize("shards", [False, True])
def test_a_fetched_folder_is_judged_with_as_its_source(raw, tmp_path, shards):
    expected, weights = matrix(judge(raw), "x", ["a", "b"]), load_file(raw / "model.safetensors")
    if shards:
        in_shards(raw)
    got = fetch(raw, tmp_path)
    assert (matrix(judge(got), "x", ["a", "b"]) == expected).all()
    found = load_file(got / "model.safetensors")
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    assert store.read_json(got / "source.json") == {
        "source": str(raw),
        "revision": None,
        "commit": None,
    }
    checking.check_files(got)
    assert "manifest.json" not in store.read_json(got / "manifest.json")


def test_weights_of_no_class_of_transformers_are_kept(tmp_path):
    """A value head beside a causal model, as published GPM folders have it; in their stored dtype."""
    raw = tmp_path / "gpm"
    save_model(raw, tiny_model(vocab_size=258), tiny_tokenizer())
    (raw / "manifest.json").unlink()
    weights = load_file(raw / "model.safetensors")
    weights["value_head.weight"] = torch.randn(4, 32, dtype=torch.bfloat16)
    save_file(weights, raw / "model.safetensors", {"format": "pt"})
    found = load_file(fetch(raw, tmp_path) / "model.safetensors")
    assert torch.equal(found["value_head.weight"], weights["value_head.weight"])


def test_the_date_of_a_template_is_pinned(tmp_path):
    raw = tmp_path / "llm"
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y') }}"
    save_model(raw, tiny_model(vocab_size=258), tokenizer)
    (raw / "manifest.json").unlink()
    found = load_tokenizer(fetch(raw, tmp_path))
    turn = [{"role": "user", "content": "Hi."}]
    assert found.apply_chat_template(turn, tokenize=False) == "26 Jul 2024"


def no_weights(raw):
    (raw / "model.safetensors").rename(raw / "pytorch_model.bin")


def twice(raw):
    shutil.copyfile(raw / "model.safetensors", raw / "other.safetensors")


def not_finite(raw):
    weights = load_file(raw / "model.safetensors")
    weights["head_layer.4.bias"][0] = torch.nan
    save_file(weights, raw / "model.safetensors", {"format": "pt"})


def sentencepiece_alone(raw):
    (raw / "tokenizer.json").rename(raw / "spm.model")


def larger_vocabulary(raw):
    config = json.loads((raw / "config.json").read_text())
    (raw / "config.json").write_text(json.dumps(config | {"vocab_size": 200}))


def an_adapter(raw):
    lora = {"rank": 2, "alpha": 2, "dropout": 0.0, "targets": ["q_proj"]}
    save_adapter(raw, add_lora(tiny_model(vocab_size=258), **lora, seed=0))


def no_config(raw):
    (raw / "config.json").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_weights, "cannot get model .* it has no weights as safetensors"),
        (twice, "other.safetensors holds .*, which another file holds too"),
        (not_finite, "weights head_layer.4.bias in model.safetensors are NaN or infinite"),
        (sentencepiece_alone, r"SentencePiece file alone .* needs the package sentencepiece"),
        (larger_vocabulary, r"ids up to 262, but the model's embedding .* has 200 rows"),
        (an_adapter, r"it is an adapter \(LORA\)"),
        (no_config, "cannot get model .*raw' at revision None"),
    ],
)
def test_what_is_not_sound_is_refused_by_name(raw, tmp_path, damage, said):
    damage(raw)
    with pytest.raises(ValueError, match=said):
        fetch(raw, tmp_path)
    assert not (tmp_path / "got/manifest.json").exists()
