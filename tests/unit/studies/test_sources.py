"""Which models and data figures, tables and the page name."""

from pathlib import Path
from typing import Any

import yaml

from prefgrid.config.merging import merged
from prefgrid.plan.load import load
from prefgrid.studies import registry, sources

REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
COMMIT = "c1899de289a04d12100db370d81485cdf75e47ca"
HUB = {
    "world": "hub",
    "hub": {
        "models": {
            "base": {"source": "lab/base", "revision": COMMIT},
            "reward": {"source": "lab/reward", "revision": "main"},
        },
        "dataset": {"source": "set below", "revision": None, "split": "train"},
    },
}


def wirings(**changes: Any) -> dict[str, Any]:
    config = load(merged(DEFAULT, changes))
    return {study: registry.wiring(package, config) for study, package in config.packages.items()}


def test_models_of_the_tiny_world_are_named_with_seeds_and_steps():
    world = {"base": {"seed": 3, "schedule": {"steps": 77}}, "data": {"seed": 5, "prompts": 2800}}
    named = wirings(tiny_world=world)["link_robustness"].sources
    assert named == {
        "base_model": "tiny world's, made here (seed 3, 77 steps)",
        "reward_model": "tiny world's, made here (seed 0, 560 steps)",
        "dataset": "tiny world's, made here (seed 5, 2800 prompts)",
    }


def test_models_of_the_hub_are_named_with_revisions_and_local_ones_by_their_folder(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / "train.jsonl").write_text("{}\n")
    hub = merged(HUB, {"hub": {"dataset": {"source": str(folder)}}})
    named = wirings(**hub)["link_robustness"].sources
    assert named == {
        "base_model": "lab/base@c1899de289a0",
        "reward_model": "lab/reward@main",
        "dataset": "pairs (local), split train",
    }
    assert sources.line(named) == (
        "Base model: lab/base@c1899de289a0; reward model: lab/reward@main; "
        "dataset: pairs (local), split train"
    )


def test_only_what_a_study_uses_is_named():
    both = wirings()
    assert both["single_index"].sources == {} and sources.line({}) == ""
    config = load(DEFAULT)
    judge = config.judges["reward"].model_copy(update={"model": None})
    assert list(sources.named(config, [{}], [judge])) == ["base_model", "dataset"]
    judge = judge.model_copy(update={"model": "base"})
    assert list(sources.named(config, [], [judge])) == ["base_model"]


def test_figures_and_tables_get_them():
    wiring = wirings()["link_robustness"]
    for name in wiring.figures:
        assert wiring.figure(name).spec["sources"] == wiring.sources
    assert wiring.tabulation().spec["sources"] == wiring.sources
