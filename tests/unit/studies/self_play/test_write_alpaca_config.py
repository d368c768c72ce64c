"""From a trained, exported policy to AlpacaEval's folder of it, and what the wiring says of both."""

from types import SimpleNamespace

import tiny_policies
import yaml

from prefgrid import chat
from prefgrid.files import cells, store
from prefgrid.job.jobs import Job
from prefgrid.models import loading
from prefgrid.run import execution
from prefgrid.studies.self_play import published
from prefgrid.studies.self_play.config import Config
from prefgrid.studies.step import Step
from self_play import write_alpaca_config

CELL = "method=sppo/judge=bt_scores/seed=0/iteration=3"
NAME = "method=sppo,judge=bt_scores,seed=0,iteration=3"
SPEC = {"prompt_format": "chat", "precision": "none", "max_new_tokens": 9, "temperature": 0.5}


def test_the_folder_has_the_exported_model_and_its_prompt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(execution.WORK_VARIABLE, str(tmp_path / "work"))
    tiny_policies.make_reference()
    tiny_policies.train(steps=1)
    policy = tiny_policies.export()
    folder = tmp_path / "models_configs" / NAME
    folder.mkdir(parents=True)
    outputs = {"config": folder / "configs.yaml", "prompt": folder / "prompt.txt"}
    job = Job({"policy": policy / "manifest.json"}, outputs, outputs, SPEC | {"top_p": 1.0})
    write_alpaca_config.main(job)
    [(name, entry)] = yaml.safe_load(outputs["config"].read_text()).items()
    assert name == NAME and (folder.parent / entry["prompt_template"]) == outputs["prompt"]
    kwargs = entry["completions_kwargs"]
    assert kwargs["model_name"] == str(policy) and kwargs["model_kwargs"] == {"dtype": "float32"}
    assert (kwargs["max_new_tokens"], kwargs["temperature"], kwargs["top_p"]) == (9, 0.5, 1.0)
    tokenizer = loading.load_tokenizer(policy)
    # The template's end token, which is the tokenizer's, and the model's own (7).
    assert kwargs["stop_token_ids"] == [chat.end_id(tokenizer, "chat"), 7]
    # One id alone, as models have it that no export wrote.
    store.write_json(policy / "generation_config.json", {"eos_token_id": 7})
    loading.write_manifest(policy)
    write_alpaca_config.main(job)
    again = yaml.safe_load(outputs["config"].read_text())[NAME]["completions_kwargs"]
    assert again == kwargs
    prompt = outputs["prompt"].read_text().replace("{instruction}", "a fox")
    assert tokenizer(prompt)["input_ids"] == chat.render_prompt(tokenizer, "a fox", "chat")


def test_the_wiring_finds_the_export_by_the_name_and_decodes_as_held_out():
    study = Config(evaluation={"temperature": 0.8, "max_new_tokens": 77})
    wiring = SimpleNamespace(
        root="results/self_play", study=study, config=SimpleNamespace(prompt_format="raw")
    )
    step = published.alpaca_config(wiring, NAME, "bf16")
    assert step.inputs == {"policy": f"results/self_play/exports/{CELL}/manifest.json"}
    expected = {"prompt_format": "raw", "precision": "bf16", "max_new_tokens": 77}
    assert step.spec == expected | {"temperature": 0.8, "top_p": 1.0}
    assert cells.values(CELL)["judge"] == "bt_scores"


def test_published_files_are_made_from_what_the_targets_are_made_from():
    inputs = {"responses": ["a"], "matrices": "b", "opponents": []}
    targets = Step(inputs, {"targets": {"soften": 0.0}, "selection": {"by": "x"}, "seed": 3})
    step = published.files(targets, scores=True)
    assert step.inputs == inputs
    expected = {"targets": {"soften": 0.0}, "selection": {"by": "x"}, "scores": True}
    assert step.spec == expected
