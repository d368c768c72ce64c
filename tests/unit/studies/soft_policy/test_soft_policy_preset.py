"""The preset of the published program: its constants, and a run of all its jobs on a model of this shape.

Oracle of the constants: the table of the published code, as `specs` has it.
"""

import re
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny_policy import scale_up, tiny_tokenizer
from transformers import Qwen2Config, Qwen2ForCausalLM

from prefgrid.config.merging import merged
from prefgrid.files import store
from prefgrid.job.jobs import Job
from prefgrid.plan.load import load
from prefgrid.run import execution
from prefgrid.studies import registry, rehearsal
from prefgrid.studies.soft_policy.numbers import Numbers
from soft_policy import teach_numbers, train_soft_policy
from steps import adopt_reference
from worlds import fetch_model

REPOSITORY = Path(__file__).resolve().parents[4]
TEMPLATE = (
    "{% for one in messages %}<start>{{ one['role'] }}\n{{ one['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<start>assistant\n{% endif %}"
)
MODEL = ("weights", "config", "tokenizer", "manifest")
FILES = {
    "weights": "model.safetensors",
    "config": "config.json",
    "tokenizer": "tokenizer.json",
    "manifest": "manifest.json",
}


def wiring(**changes: Any):
    """The study's, of the preset over the defaults."""
    default, preset = (
        yaml.safe_load((REPOSITORY / name).read_text())
        for name in ("config.yaml", "presets/softpo_published.yaml")
    )
    config = load(merged(merged(default, preset), changes))
    assert list(config.packages) == ["soft_policy"]
    return registry.wiring(config.packages["soft_policy"], config)


def cell(method: str) -> str:
    return f"method={method}/reference=model/task=1/beta=0.01/seeds=0-0"


def test_the_constants_are_the_published_ones():
    step = wiring().policy(cell("softpo_published"))
    spec, drawing, training = step.spec, step.spec["drawing"], step.spec["training"]
    assert (spec["targets"], spec["task"]["lo"], spec["task"]["hi"]) == ([1], 1, 100)
    assert spec["options"] == spec["options"] | {
        "beta": 0.01,
        "loss": "published_squared",
        "value": "given",
    }
    assert training == training | {
        "learning_rate": 1e-4,
        "learning_rate_schedule": "constant",
        "warmup_steps": 0,
        "weight_decay": 0.01,
        "optimizer": "adamw",
        "adam_betas": (0.9, 0.999),
        "max_grad_norm": 1.0,
        "batch_size": 1,
        "precision": "bf16",
        "lora": None,
    }
    assert drawing == drawing | {
        "epochs": 3,
        "samples": 200,
        "group_size": 1,
        "mix": {"uniform": 1.0},
        "value": "published",
        "value_samples": 256,
        "keep_best": False,
        "patience": None,
    }
    assert spec["final_samples"] == 10 and spec["transcript"] is True


def test_the_run_asks_for_one_model_and_no_data():
    own = wiring()
    assert own.sources.keys() == {"run", "base_model"}
    assert re.fullmatch(r"Qwen/Qwen2.5-1.5B-Instruct@[0-9a-f]{12}", own.sources["base_model"])
    trials = rehearsal.specs(own.config, [own])
    assert {name: rehearsal.asks(one) for name, one in trials.items()} == {
        "base": True,
        "reward": False,
    }
    assert {one["targets"] for one in trials["base"]["trainings"]} == {None, "all-weights"}


def test_the_exact_label_differs_in_its_value_alone():
    own = wiring(soft_policy={"methods": ["softpo", "softpo_published_exact"]})
    exact = own.policy(cell("softpo_published_exact")).spec
    published = wiring().policy(cell("softpo_published")).spec
    assert exact["drawing"] == published["drawing"] | {"value": "exact"}
    assert {**exact, "drawing": 0} == {**published, "drawing": 0}


@pytest.fixture
def lab(tmp_path, monkeypatch) -> Path:
    """A run's folder, and in it a model of the published one's architecture that knows nothing."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<start>"]})
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    # As the checkpoint does, whose samples are cut by default; ours are not.
    model.generation_config.update(do_sample=True, top_p=0.8, top_k=20, repetition_penalty=1.1)
    scale_up(model, 4.0).save_pretrained(tmp_path / "mine")
    tokenizer.save_pretrained(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(script, inputs: dict[str, Any], outputs: dict[str, str], spec: dict[str, Any]) -> None:
    paths = {name: Path(path) for name, path in outputs.items()}
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    script.main(Job({name: Path(path) for name, path in inputs.items()}, paths, paths, spec))


def model_files(folder: str) -> dict[str, str]:
    return {name: f"{folder}/{FILES[name]}" for name in MODEL}


def test_the_preset_runs_on_a_tiny_model_of_its_architecture(lab, monkeypatch):
    """Fetched, adopted, measured as a reference that cannot write numbers, and trained for 3 × 200 updates."""
    changes = {
        "hub": {"models": {"base": {"source": "mine", "revision": None}}},
        "soft_policy": {"reference": {"min_valid_mass": 0.0}},
    }
    own = wiring(**changes)
    logged: list[str] = []
    monkeypatch.setattr(store, "log", logged.append)
    fetched = {"source": "mine", "revision": None, "name": "base", "prompt_format": "chat"}
    fetched |= {"prompt_date": "2024-07-26", "attention": "auto"}
    done(fetch_model, {}, model_files("results/models/base"), fetched)
    base = {"base": "results/models/base/manifest.json"}
    done(adopt_reference, base, model_files("results/models/reference"), {})
    taught = own.numbers_reference("reference=model")
    assert taught.inputs == {"base": "results/models/reference/manifest.json"}
    folder = "results/soft_policy/references/reference=model"
    done(teach_numbers, taught.inputs, model_files(folder), dict(taught.spec))
    assert any(line.startswith("probability of an answer: 0.0") for line in logged)

    trained = own.policy(cell("softpo_published"))
    assert trained.inputs == {"reference": f"{folder}/manifest.json"}
    root = f"results/soft_policy/policies/{cell('softpo_published')}"
    tables = ("evaluations", "values", "steps")
    outputs = {name: f"{root}/{name}.csv" for name in tables}
    outputs |= {name: f"{root}/{name}.parquet" for name in ("samples", "answers")}
    outputs["policies"] = f"{root}/policies.safetensors"
    del logged[:]
    done(train_soft_policy, trained.inputs, outputs, dict(trained.spec))

    read = {name: pandas.read_csv(outputs[name]) for name in tables}
    assert read["steps"]["step"].tolist() == list(range(1, 601))
    assert read["steps"]["learning_rate"].unique().tolist() == [1e-4]
    assert read["evaluations"]["epoch"].tolist() == [0, 1, 2, 3]
    samples = pandas.read_parquet(outputs["samples"])
    assert samples["when"].tolist() == ["before"] * 10 + ["after"] * 10
    # The published fallback: not one of 256 samples is a success.
    assert read["values"]["value"].iloc[0] == -0.5
    updates = [line for line in logged if line.startswith("update ")]
    assert [int(re.match(r"update (\d+): Q0 ", line)[1]) for line in updates] == [
        *range(100, 601, 100)
    ]
    weights = load_file(outputs["policies"])
    assert all(weight.dtype == torch.float32 for weight in weights.values())


def test_a_reference_that_cannot_write_numbers_fails_before_it_is_trained(lab):
    own = wiring()
    done(
        fetch_model,
        {},
        model_files("results/models/reference"),
        {"source": "mine", "revision": None, "name": "base", "prompt_format": "chat"}
        | {"prompt_date": "2024-07-26", "attention": "auto"},
    )
    taught = own.numbers_reference("reference=model")
    with pytest.raises(ValueError, match=r"probability 0\.0.*at least .*min_valid_mass = 0\.5"):
        done(teach_numbers, taught.inputs, model_files("elsewhere"), dict(taught.spec))
    assert not Path("elsewhere/manifest.json").exists()


def test_models_are_on_the_device_before_they_are_measured(lab, monkeypatch):
    """A GPU is promised that is not there: whatever puts a model on it says so, and nothing is computed."""
    own, folder = wiring(), "results/models/reference"
    fetched = {"source": "mine", "revision": None, "name": "base", "prompt_format": "chat"}
    fetched |= {"prompt_date": "2024-07-26", "attention": "auto"}
    done(fetch_model, {}, model_files(folder), fetched)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv(execution.GPUS_VARIABLE, "1")
    monkeypatch.setattr(Numbers, "answer_logps", lambda *_: pytest.fail("computed on the CPU"))
    taught = own.numbers_reference("reference=model")
    with pytest.raises(RuntimeError, match="torch sees none"):
        done(teach_numbers, taught.inputs, model_files("elsewhere"), dict(taught.spec))
    trained = own.policy(cell("softpo_published"))
    outputs = {name: f"policies/{name}.csv" for name in ("evaluations", "values", "steps")}
    outputs |= {name: f"policies/{name}.parquet" for name in ("samples", "answers")}
    outputs["policies"] = "policies/policies.safetensors"
    spec = dict(trained.spec)
    adapter = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}
    for lora in (None, adapter):
        spec["training"] = spec["training"] | {"lora": lora}
        with pytest.raises(RuntimeError, match="torch sees none"):
            done(train_soft_policy, {"reference": f"{folder}/manifest.json"}, outputs, spec)
