"""A fetched model is rehearsed with what the run's studies do with it, and nothing else."""

from typing import Any

import yaml
from rule_graph import REPOSITORY

from prefgrid.plan.load import load
from prefgrid.studies import registry, rehearsal


def specs(**changes: Any) -> dict[str, Any]:
    raw = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    raw |= {"reference": {"sft": None}, "studies": ["link_robustness"]} | changes
    config = load(raw)
    wirings = [registry.wiring(package, config) for package in config.packages.values()]
    return rehearsal.specs(config, wirings)


def trained(**changes: Any) -> list[tuple[str, Any]]:
    return [(one["precision"], one["targets"]) for one in specs(**changes)["base"]["trainings"]]


def study(*methods: str) -> dict[str, Any]:
    raw = yaml.safe_load((REPOSITORY / "config.yaml").read_text())["link_robustness"]
    return raw | {"methods": list(methods), "baseline": methods[0]}


def test_methods_that_are_not_trained_have_no_part():
    assert trained(link_robustness=study("dpo")) == [("none", None), ("none", "all-linear")]
    both = trained(link_robustness=study("dpo", "ipo", "dpo_published", "pspo_published"))
    assert both[2:] == [("none", ["q_proj", "v_proj"])]


def test_supervised_fine_tuning_of_the_base_has_a_part():
    sft = {"sft": {"training": {"precision": "bf16", "lora": {"targets": ["o_proj"]}}}}
    found = trained(reference=sft, link_robustness=study("dpo"))
    assert found == [("none", None), ("bf16", ["o_proj"]), ("none", "all-linear")]


def test_full_fine_tuning_and_gradient_checkpointing_have_a_part():
    training = {"precision": "bf16", "lora": None, "gradient_checkpointing": True}
    methods = yaml.safe_load((REPOSITORY / "config.yaml").read_text())["methods"]
    methods["dpo"]["training"] = training
    [_, full] = specs(link_robustness=study("dpo"), methods=methods)["base"]["trainings"]
    assert full == {
        "precision": "bf16",
        "targets": "all-weights",
        "gradient_checkpointing": True,
    }


def test_a_study_without_a_language_model_adds_nothing():
    found = specs(studies=["single_index"])
    assert [name for name, one in found.items() if rehearsal.asks(one)] == ["base"]
    assert trained(studies=["single_index"]) == [("none", None)]


def test_the_judge_that_the_study_asks_is_rehearsed_with_its_options():
    found = specs(link_robustness=study("dpo"))["reward"]
    [judge] = found.pop("judges")
    assert judge["judge"] == "prefgrid.judges.scalar" and judge["options"]["precision"] == "none"
    assert found == {"trainings": [], "prompt_format": "chat", "text_tokens": 128}


def test_the_models_are_always_the_same_two():
    """Kind: a judge or a study less is one file less, and what takes the files is made anew."""
    for studies in (["link_robustness"], ["single_index"], ["single_index", "link_robustness"]):
        assert list(specs(studies=studies)) == ["base", "reward"]


def test_a_further_model_of_judges_is_rehearsed_by_those_who_ask_it():
    source = {"source": "owner/name", "revision": "main"}
    models = {"base": source, "reward": source, "judges": {"ranker": source, "idle": source}}
    judges = {
        "reward": {"judge": "scalar", "model": "reward"},
        "ranker": {"judge": "scalar", "model": "ranker", "options": {"batch_size": 3}},
    }
    found = specs(
        world="hub",
        hub={"models": models, "dataset": source | {"split": "train"}},
        judges=judges,
        link_robustness=study("dpo") | {"judge": "ranker"},
    )
    assert list(found) == ["base", "reward", "judges/ranker", "judges/idle"]
    [judge] = found["judges/ranker"]["judges"]
    assert judge["options"]["batch_size"] == 3 and not found["judges/ranker"]["trainings"]
    assert [name for name, one in found.items() if rehearsal.asks(one)] == ["base", "judges/ranker"]
