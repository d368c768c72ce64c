"""Which run, models and data figures, tables and the page name.

The kinds: something shown without its name; a name that changes what is trained.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import rule_graph
import yaml

from prefgrid.config.merging import merged
from prefgrid.plan import wirings as plan_wirings
from prefgrid.plan.load import ConfigError, load
from prefgrid.studies import registry, sources

REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
COMMIT = "c1899de289a04d12100db370d81485cdf75e47ca"
HUB = {
    "world": "hub",
    # Not the one whose default judges know the tiny world's language alone.
    "studies": ["link_robustness", "single_index", "soft_policy"],
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
        "run": "default",
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
        "run": "default",
        "base_model": "lab/base@c1899de289a0",
        "reward_model": "lab/reward@main",
        "dataset": "pairs (local), split train",
    }
    assert sources.line(named) == (
        "Run: default; base model: lab/base@c1899de289a0; reward model: lab/reward@main; "
        "dataset: pairs (local), split train"
    )


def test_only_what_a_study_uses_is_named():
    both = wirings()
    alone = both["single_index"].sources
    assert alone == {"run": "default"} and sources.line(alone) == "Run: default"
    config = load(DEFAULT)
    judge = config.judges["reward"].model_copy(update={"model": None})
    assert list(sources.named(config, [{}], [judge])) == ["run", "base_model", "dataset"]
    judge = judge.model_copy(update={"model": "base"})
    assert list(sources.named(config, [], [judge])) == ["run", "base_model"]


@pytest.mark.parametrize(
    ("hub", "study", "sft", "said"),
    [
        (
            {"models": {"reward": None}},
            "link_robustness",
            None,
            "hub.models.reward is null, but a judge",
        ),
        ({"dataset": None}, "link_robustness", None, "hub.dataset is null, but this study reads"),
        (
            {"dataset": None},
            "soft_policy",
            {"prompts": 10},
            "hub.dataset is null, but .*reference.sft",
        ),
    ],
)
def test_what_the_hub_leaves_out_and_a_study_needs_is_named(hub, study, sft, said):
    changes = {**HUB, "studies": [study], "reference": {"sft": sft}}
    changes = merged(changes, {"hub": {"dataset": {"source": "lab/data", "revision": "main"}}})
    if sft is None:
        changes["reference"] = {"sft": None}
    plan_wirings.of(load(merged(DEFAULT, changes)))
    with pytest.raises(ConfigError, match=rf"study '{study}'.*{said}.*allowed: a source"):
        plan_wirings.of(load(merged(DEFAULT, merged(changes, {"hub": hub}))))


def test_a_study_without_prompts_needs_no_reward_model_and_no_dataset():
    bare = {"world": "hub", "hub": {"models": {"base": HUB["hub"]["models"]["base"]}}}
    changes = {**bare, "studies": ["soft_policy"], "reference": {"sft": None}}
    named = wirings(**changes)["soft_policy"].sources
    assert named == {"run": "default", "base_model": "lab/base@c1899de289a0"}


def test_a_further_model_of_judges_is_named_by_its_label():
    judges = {name: {"source": "lab/pair", "revision": "v1"} for name in ("pairrm", "idle")}
    hub = {"models": {"judges": judges}, "dataset": {"source": "lab/data", "revision": "main"}}
    config = load(merged(DEFAULT, merged(HUB, {"hub": hub})))
    asked = config.judges["reward"].model_copy(update={"model": "pairrm"})
    named = sources.named(config, [], [asked], False)
    assert named == {"run": "default", "judge_model pairrm": "lab/pair@v1"}
    assert sources.line(named) == "Run: default; judge model pairrm: lab/pair@v1"
    commit = {"judge_model pairrm": "ab" * 20}
    assert sources.rows(sources.committed(named, commit)) == [
        ("Judge model pairrm", "lab/pair@v1 (commit abababababab)")
    ]


def test_figures_and_tables_get_them():
    for wiring in wirings().values():
        for name in wiring.figures:
            assert wiring.figure(name).spec["sources"] == wiring.sources
        assert wiring.tabulation().spec["sources"] == wiring.sources


def test_a_new_name_of_the_run_retabulates_and_redraws_and_trains_nothing():
    """Compared: what each job of the whole graph is made from and by. The report's own rule takes the
    names from the wirings (rules/steps/report.smk)."""

    def steps(**changes: Any) -> dict[tuple[str, str, str], str]:
        jobs, _ = rule_graph.needed(wirings(**changes))
        return {
            (job.rule.name, job.study, job.cell): json.dumps(
                [sorted(job.inputs), job.step and job.step.spec], sort_keys=True
            )
            for job in jobs
        }

    before, after = steps(), steps(run_name="Läufe, second try")
    assert before.keys() == after.keys() and len(before) > 100
    changed = {name for name, *_ in (key for key in before if before[key] != after[key])}
    assert changed == {
        "draw_figure",
        "tabulate_results",
        "tabulate_single_index",
        "tabulate_soft_policy",
        "tabulate_pairwise_judges",
        "tabulate_self_play",
    }
    named = {name for name, *_ in before if name.startswith(("train", "evaluate", "describe"))}
    assert {"train_policy", "train_single_index", "train_soft_policy", "evaluate_policy"} <= named
