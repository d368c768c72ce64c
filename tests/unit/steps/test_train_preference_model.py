"""The script: from a file of comparisons and a model's folder to a folder that the judge reads."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_policy import LORA, tiny_model
from tiny_preferences import chat_tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

from prefgrid.files import shared, store
from prefgrid.judges import embedding
from prefgrid.models.loading import save_model
from prefgrid.plan.load import load
from prefgrid.studies import preference_models

SCRIPT = (
    Path(__file__).resolve().parents[3] / "workflow_scripts" / "steps" / "train_preference_model.py"
)
# One that names no preference model.
STUDIES = {"studies": ["link_robustness"]}
TRAINING = {"max_steps": 4, "batch_size": 4, "micro_batch_size": 2, "warmup_steps": 0}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """start/, and comparisons.jsonl with one row that is too long and one tie."""
    folder = tmp_path_factory.mktemp("world")
    tokenizer = chat_tokenizer()
    model = tiny_model(vocab_size=len(tokenizer), eos_token_id=None, pad_token_id=None)
    save_model(folder / "start", model, tokenizer)
    rows = [
        {
            "prompt_id": f"{number:016x}",
            "prompt": f"question {number}",
            "section": "",
            "responses": [
                {"text": "yes"},
                {"text": "no" * (1 + 200 * (number == 3))},
                {"text": ""},
            ],
            "comparisons": [
                {"first": 0, "second": 1, "probability": 0.5 if number == 5 else 1.0},
                *([{"first": 2, "second": 1, "probability": 0.0}] if number < 5 else []),
            ],
        }
        for number in range(10)
    ]
    store.write_jsonl(folder / "comparisons.jsonl", rows)
    return folder


def spec(**changes) -> dict:
    """As the rule writes it, of a label of the config with some keys changed."""
    settings = {"training": {**TRAINING, "epochs": None, "learning_rate": 1e-3, "lora": None}}
    raw = {
        "preference_models": {
            "gpm": {**settings, "max_prompt_tokens": 50, "max_tokens": 150, **changes}
        },
        **STUDIES,
    }
    step = preference_models.step(load(raw), "model=gpm/on=closings/seed=3")
    return dict(step.spec)


def run(world: Path, folder: Path, told: dict) -> subprocess.CompletedProcess:
    names = {
        "manifest": "manifest.json",
        "weights": "model.safetensors",
        "metrics": "metrics.jsonl",
    }
    outputs = [f"--{name}={folder / file}" for name, file in names.items()]
    return subprocess.run(
        [sys.executable, str(SCRIPT), f"--comparisons={world / 'comparisons.jsonl'}"]
        + [f"--start={world / 'start/manifest.json'}", *outputs]
        + [f"--spec={json.dumps(told)}", "--code=code"],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("lora", [None, LORA])
def test_the_judge_reads_what_the_script_writes(world, tmp_path, lora):
    told = spec(
        gate="softmax",
        normalize=True,
        temperature=0.25,
        anneal={"start": 0.5, "share": 0.5},
        ptx={"loss": "dpo"},
        training={**TRAINING, "epochs": None, "learning_rate": 1e-2, "lora": lora},
    )
    done = run(world, tmp_path / "out", told)
    assert done.returncode == 0, done.stderr
    assert "8 rows of comparisons; 0 prompts cut, 1 too long, 1 undecided" in done.stderr
    rows = store.read_jsonl(tmp_path / "out" / "metrics.jsonl")
    assert len(rows) == 4 and all(np.isfinite(row["loss"]) for row in rows)
    manifest = store.read_json(tmp_path / "out" / "manifest.json")
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= manifest.keys()
    options = {name: default for name, (default, _) in embedding.OPTIONS.items()}
    judge = embedding.load(
        tmp_path / "out", options, prompt_format="chat", device=torch.device("cpu")
    )
    assert judge.model.shape.gate == "softmax" and judge.model.shape.dimension == 4
    [logits] = judge.logits(["question 1"], [["yes", "no", ""]])
    assert logits.shape == (3, 3) and logits[0, 1] != 0


def test_a_file_without_a_row_to_learn_from_is_refused(world, tmp_path):
    done = run(world, tmp_path / "out", spec(max_tokens=5, max_prompt_tokens=4))
    assert done.returncode != 0
    assert "no row can be learned from; 0 prompts cut, 10 too long" in done.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_dialogues_beyond_the_models_positions_are_refused_before_it_is_trained(world, tmp_path):
    tokenizer = chat_tokenizer()
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=128, n_embd=32, n_layer=1, n_head=4)
    save_model(tmp_path / "start", GPT2LMHeadModel(config), tokenizer)
    shutil.copy(world / "comparisons.jsonl", tmp_path)
    done = run(tmp_path, tmp_path / "out", spec())
    assert done.returncode != 0
    assert "reads rows of up to 128 tokens; max_tokens is 150; allowed: at most 128" in done.stderr


def test_the_spec_is_the_config_s_and_its_cell_s():
    step = preference_models.step(load({}), "model=bt/on=scores/seed=7")
    assert step.inputs == {
        "comparisons": "results/comparisons/scores/train.jsonl",
        "start": "results/models/base/manifest.json",
    }
    assert step.weights == ["results/models/base/model.safetensors"]
    assert step.spec["seed"] == 7 and step.spec["shape"]["dimension"] == 1
    assert step.spec["training"]["max_steps"] == 300 and "seed" not in step.spec["training"]
    folder = shared.preference_model("bt", "scores", 7)
    assert folder == "results/preference_models/model=bt/on=scores/seed=7"


def test_another_seed_of_the_training_is_another_draw():
    one, other = (
        spec(training={**TRAINING, "epochs": None, "seed": seed})["seed"] for seed in (0, 1)
    )
    assert one == 3 != other


def test_a_reference_can_be_the_start():
    raw = {"preference_models": {"gpm": {"start": "reference"}}, **STUDIES}
    step = preference_models.step(load(raw), "model=gpm/on=closings/seed=0")
    assert step.inputs["start"] == "results/models/reference/manifest.json"
