"""Policies' folders in other programs: what plain peft and transformers make of them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import peft
import pytest
import tiny_policies
import torch
import transformers
from huggingface_hub import ModelCard
from tiny_policies import CELL, REFERENCE, train
from tiny_policy import tiny_tokenizer

from prefgrid import chat
from prefgrid.files import store
from prefgrid.models import checking, origin
from prefgrid.models.loading import (
    DTYPES,
    load_adapter,
    load_causal_lm,
    load_stack,
    load_tokenizer,
)
from prefgrid.run import execution
from prefgrid.sampling.request import stop_ids

IDS = torch.tensor([[5, 9, 23, 41, 8, 30]])
SECOND = "method=dpo/seed=1"
HUB = {"source": "someone/tales", "revision": "main", "commit": "0123456789abcdef" * 2 + "01234567"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a run, which is the working folder."""
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv(execution.WORK_VARIABLE, str(tmp_path / "work"))
    return folder


@torch.no_grad()
def logits_of(model, ids=IDS):
    return model(input_ids=ids).logits


def ours(policy, precision="none"):
    """The policy as the evaluation loads it: its adapter, not merged, on the reference."""
    return load_adapter(load_causal_lm(REFERENCE, precision), policy)


def snippet(folder: Path) -> str:
    [code] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    return code


def in_plain_python(code: str, **variables: str) -> str:
    """Output of a program in the working folder that knows nothing of this project."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_HUB_OFFLINE": "1", **variables}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("precision", ["none", "bf16"])
def test_the_card_s_own_program_computes_our_logits(run, precision):
    """Kind: a folder that others load as another model, or not at all. Equal to the last bit."""
    tiny_policies.make_reference()
    policy = train(precision=precision)
    code = snippet(policy) + "torch.save((inputs, logits.detach(), policy.training), 'out.pt')\n"
    in_plain_python(code)
    inputs, logits, training = torch.load("out.pt", weights_only=False)
    model, tokenizer = ours(policy, precision), load_tokenizer(REFERENCE)
    assert inputs["input_ids"].tolist() == [chat.render_prompt(tokenizer, "Name a colour.", "chat")]
    assert logits.dtype == DTYPES[precision] and not training
    assert torch.equal(logits, logits_of(model, inputs["input_ids"]))
    plain = logits_of(load_causal_lm(REFERENCE, precision), inputs["input_ids"])
    assert (logits - plain).abs().max() > 0.5, "the adapter acts"


def test_transformers_alone_finds_base_and_adapter_too(run):
    tiny_policies.make_reference()
    policy = train()
    model = transformers.AutoModelForCausalLM.from_pretrained(policy)
    assert torch.equal(logits_of(model), logits_of(ours(policy)))


def test_the_folder_holds_the_reference_s_tokenizer_and_is_listed_whole(run):
    tiny_policies.make_reference()
    policy = train()
    found = {path.name for path in policy.iterdir()} - {"_provenance.json", "manifest.json"}
    assert found == store.read_json(policy / "manifest.json").keys()
    assert found >= {"README.md", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    checking.check_files(policy)
    own, reference = map(transformers.AutoTokenizer.from_pretrained, (policy, REFERENCE))
    text = [{"role": "user", "content": "a fox \u2600"}]
    options = {"add_generation_prompt": True, "enable_thinking": False, "tokenize": False}
    assert own.apply_chat_template(text, **options) == reference.apply_chat_template(
        text, **options
    )
    assert own.get_vocab() == reference.get_vocab() and own.eos_token_id == reference.eos_token_id


def test_bytes_do_not_depend_on_where_the_run_lies(run, tmp_path, monkeypatch):
    """And no file tells where that was."""
    bytes_of = []
    for place in (run, tmp_path / "elsewhere"):
        place.mkdir(exist_ok=True)
        monkeypatch.chdir(place)
        tiny_policies.make_reference()
        folders = [train(), tiny_policies.export()]
        files = [path for folder in folders for path in sorted(folder.iterdir())]
        bytes_of.append({str(path): path.read_bytes() for path in files})
        assert not [path for path in files if str(tmp_path).encode() in path.read_bytes()]
    assert bytes_of[0] == bytes_of[1]


@pytest.mark.parametrize(
    ("source", "base"),
    [
        (HUB, (HUB["source"], HUB["commit"])),
        ({"source": "../models/tales", "revision": None, "commit": None}, (str(REFERENCE), None)),
        (None, (str(REFERENCE), None)),
    ],
    ids=["the hub's model", "a local folder's", "one made here"],
)
def test_the_config_names_what_others_can_load(run, source, base):
    tiny_policies.make_reference(source=source)
    config = peft.PeftConfig.from_pretrained(train(steps=1))
    assert (config.base_model_name_or_path, config.revision) == base
    for folder in (STUDY_POLICY, tiny_policies.export()):
        data = ModelCard.load(folder / "README.md", ignore_metadata_errors=False).data
        assert data.base_model == (base[0] if base[1] else None)
        assert data.pipeline_tag == "text-generation" and "dpo" in data.tags


STUDY_POLICY = tiny_policies.STUDY / "policies" / CELL


def test_a_hub_s_base_is_loaded_at_its_commit(run):
    """A cache of the hub with two commits, of which the branch is now at the other."""
    tiny_policies.make_reference(source=HUB)
    policy, repository = train(), run / "cache" / "models--someone--tales"
    other = "f" * 40
    for commit in (HUB["commit"], other):
        shutil.copytree(REFERENCE, repository / "snapshots" / commit)
        (repository / "snapshots" / commit / "manifest.json").unlink()
    weights = repository / "snapshots" / other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4000] + bytes(4000))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(other)
    expected = logits_of(ours(policy))
    shutil.rmtree("results/models")
    code = (
        "import torch, peft\n"
        f"policy = peft.AutoPeftModelForCausalLM.from_pretrained('{policy}')\n"
        f"torch.save(policy(input_ids=torch.tensor({IDS.tolist()})).logits.detach(), 'out.pt')\n"
    )
    in_plain_python(code, HF_HUB_CACHE=str(run / "cache"))
    assert torch.equal(torch.load("out.pt"), expected)
    config = policy / "adapter_config.json"
    store.write_json(config, store.read_json(config) | {"revision": None})
    in_plain_python(code, HF_HUB_CACHE=str(run / "cache"))
    assert not torch.equal(torch.load("out.pt"), expected), "main has moved on"


def test_a_tokenizer_that_peft_would_resize_the_model_to_stays_with_the_reference(run):
    """Kind: an embedding more, with a random row, changes every probability."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = tiny_policies.TEMPLATE
    tokenizer.add_tokens([f"<image{k}>" for k in range(4)], special_tokens=True)
    tiny_policies.make_reference(tokenizer)
    policy = train()
    assert not list(policy.glob("tokenizer*"))
    code = snippet(policy)
    assert f"AutoTokenizer.from_pretrained('{REFERENCE}')" in code
    in_plain_python(code + "torch.save((inputs, logits.detach()), 'out.pt')\n")
    inputs, logits = torch.load("out.pt", weights_only=False)
    assert logits.shape[-1] == 260
    assert torch.equal(logits, logits_of(ours(policy), inputs["input_ids"]))


def test_the_card_says_what_it_was_made_of(run):
    tiny_policies.make_reference()
    policy = train()
    text, metrics = (policy / "README.md").read_text(), store.read_jsonl(policy / "metrics.jsonl")
    data = tiny_policies.STUDY / "rewards" / CELL / "rewards.jsonl"
    assert f"`{data}`, SHA-256 `{store.sha256_file(data)}`" in text
    assert "# dpo: method dpo, seed 0" in text and "`prefgrid.objectives.dpo`" in text
    assert '"learning_rate": 0.02' in text and '"beta_train": 1.0' in text
    assert f"| loss | {metrics[-1]['loss']:.6g} |" in text and "| step | 6 |" in text


def test_a_policy_on_a_stack_is_refused_by_peft_and_whole_when_exported(run):
    """Kind: an adapter that silently goes on the bare reference, without the policies before it."""
    tiny_policies.make_reference()
    first, second = train(), train(SECOND, stack=(CELL,))
    assert peft.PeftConfig.from_pretrained(second).base_model_name_or_path is None
    with pytest.raises((ValueError, TypeError, OSError)):
        peft.AutoPeftModelForCausalLM.from_pretrained(second)
    text = (second / "README.md").read_text()
    assert f"snakemake results/toy/exports/{SECOND}/manifest.json" in text and str(first) in text
    merged = transformers.AutoModelForCausalLM.from_pretrained(
        tiny_policies.export(SECOND, stack=(CELL,))
    )
    by_peft = load_causal_lm(REFERENCE)
    for folder in (first, second):
        by_peft = peft.PeftModel.from_pretrained(by_peft, folder).merge_and_unload()
    torch.testing.assert_close(logits_of(merged), logits_of(by_peft), atol=1e-5, rtol=1e-5)
    assert (logits_of(merged) - logits_of(ours(second))).abs().max() > 0.5, "the first acts"


@pytest.mark.parametrize("precision", ["none", "bf16"])
def test_an_export_computes_what_the_unmerged_adapter_does(run, precision):
    """In float32, whatever precision it was trained in, and in bfloat16 up to its rounding."""
    tiny_policies.make_reference()
    policy, folder = train(precision=precision), tiny_policies.export()
    checking.check_files(folder)
    assert load_causal_lm(folder).dtype == torch.float32
    merged = transformers.AutoModelForCausalLM.from_pretrained(folder)
    exact = logits_of(ours(policy))
    torch.testing.assert_close(logits_of(merged), exact, atol=1e-4, rtol=1e-5)
    narrow = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    unmerged = logits_of(ours(policy, "bf16")).float()
    error = (logits_of(narrow).float() - exact).norm() / exact.norm()
    assert error < 2 * (unmerged - exact).norm() / exact.norm() < 0.1


def test_an_export_writes_and_ends_as_the_policy(run):
    """The card's program: plain transformers, by the generation config beside the weights."""
    tiny_policies.make_reference()
    policy, folder = train(), tiny_policies.export()
    written = in_plain_python(snippet(folder))
    model, tokenizer = ours(policy), load_tokenizer(REFERENCE)
    ends = stop_ids(tokenizer, model, "chat")
    assert ends == (257, 7)
    config = transformers.GenerationConfig.from_pretrained(folder)
    assert config.eos_token_id == list(ends) and config.pad_token_id == 256
    ids = torch.tensor([chat.render_prompt(tokenizer, "Name a colour.", "chat")])
    own = model.generate(
        input_ids=ids, max_new_tokens=64, do_sample=False, eos_token_id=list(ends), pad_token_id=256
    )
    assert written == tokenizer.decode(own[0]) + "\n"
    own, reference = map(transformers.AutoTokenizer.from_pretrained, (folder, REFERENCE))
    assert own.chat_template == reference.chat_template and own.get_vocab() == reference.get_vocab()


def test_an_update_below_the_last_bit_survives_the_merge(run):
    """Kind: weights merged in bfloat16, where a small update is rounded away."""
    tiny_policies.make_reference()
    policy = train(learning_rate=1e-5)
    exact = load_stack(REFERENCE, [policy]).state_dict()
    merged = load_causal_lm(tiny_policies.export()).state_dict()
    base = load_causal_lm(REFERENCE).state_dict()
    name = "model.layers.0.self_attn.q_proj.weight"
    assert torch.equal(merged[name], exact[name]) and not torch.equal(merged[name], base[name])
    kept = exact[name].bfloat16() != base[name].bfloat16()
    assert kept.float().mean() < 0.1, "little of it would have stayed"


def test_a_damaged_source_is_named(tmp_path):
    store.write_json(tmp_path / "source.json", {"source": "a/b"})
    with pytest.raises(store.DataError, match=r"source\.json.*revision"):
        origin.base(tmp_path)
