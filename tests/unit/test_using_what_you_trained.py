"""The programs of docs/using_what_you_trained.md, run as they stand in the folder of a run."""

import re
from pathlib import Path
from typing import Any

import made_up
import pandas
import pytest
import tiny_policies
import torch

from prefgrid import chat
from prefgrid.data import chosen_rejected
from prefgrid.files import store
from prefgrid.models.loading import load_adapter, load_causal_lm, load_tokenizer
from prefgrid.run import execution

PAGE = Path(__file__).resolve().parents[2] / "docs" / "using_what_you_trained.md"
STUDY = Path("results/link_robustness")
CELL = "method=dpo/seed=0/shift=4.0/n=400"
PROMPT = "Tell a happy tale about a cat."


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """With one policy, exported, and what else the page reads."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(tiny_policies, "STUDY", STUDY)
        patch.setenv(execution.WORK_VARIABLE, str(folder / "work"))
        tiny_policies.make_reference()
        tiny_policies.train(CELL)
        tiny_policies.export(CELL)
    preferences = [{"prompt": "p", "response_0": "a", "response_1": "b", "z": 1}]
    pairs = STUDY / "preferences/seed=0/shift=4.0/n=400/chosen_rejected/pairs.jsonl"
    store.write_jsonl(folder / pairs, chosen_rejected.rows(preferences, "chat"))
    for method, reward in (("dpo", 1.0), ("pspo", 3.0)):
        for seed in range(2):
            cell = CELL.replace("dpo", method).replace("seed=0", f"seed={seed}")
            path = folder / STUDY / "evaluations" / cell / "evaluation.csv"
            rewards = [reward + seed, 100.0]
            store.write_csv(path, pandas.DataFrame({"beta": [1.0, 0.5], "avg_reward": rewards}))
            made_up.record(path)
    return folder


@pytest.fixture(autouse=True)
def in_the_run(run, monkeypatch):
    monkeypatch.chdir(run)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(run / "cache"))


def programs() -> dict[str, str]:
    """Heading → the one program below it."""
    found = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        if code := re.findall(r"```python\n(.*?)```", part, re.DOTALL):
            [found[part.splitlines()[0]]] = code
    return found


def after(heading: str) -> dict[str, Any]:
    """Variables that the program leaves."""
    names: dict[str, Any] = {}
    exec(programs()[heading], names)
    return names


def test_every_program_is_run_here():
    assert list(programs()) == [
        "With peft",
        "As one model: transformers",
        "TRL",
        "In a notebook",
    ]


@torch.no_grad()
def test_peft():
    names = after("With peft")
    reference = load_causal_lm(tiny_policies.REFERENCE)
    tokenizer = load_tokenizer(tiny_policies.REFERENCE)
    ids = torch.tensor([chat.render_prompt(tokenizer, PROMPT, "chat")])
    assert torch.equal(names["inputs"]["input_ids"], ids)
    assert torch.equal(names["reference_logits"], reference(input_ids=ids).logits)
    policy = load_adapter(reference, STUDY / "policies" / CELL)
    assert torch.equal(names["logits"], policy(input_ids=ids).logits)
    assert not torch.equal(names["logits"], names["reference_logits"])


def test_transformers():
    names = after("As one model: transformers")
    assert names["text"].startswith(f"<user>{PROMPT}<end><assistant><think></think>")
    assert (
        len(names["tokenizer"](names["text"])["input_ids"]) > names["inputs"]["input_ids"].numel()
    )


def test_trl():
    names = after("TRL")
    assert names["pairs"][0]["chosen"] == [{"role": "assistant", "content": "b"}]
    assert names["tokenizer"].chat_template == tiny_policies.TEMPLATE


def test_notebook():
    """By hand: the mean over seeds 0 and 1 is half above the method's own."""
    rewards = after("In a notebook")["rewards"]
    assert rewards.loc[(400, 4.0)].to_dict() == {"dpo": 1.5, "pspo": 3.5}
