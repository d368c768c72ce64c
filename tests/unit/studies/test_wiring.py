"""What cells are made from: every file comes from somewhere, every spec is plain, two are pinned."""

import json
import subprocess
import sys
from typing import Any

import pytest
import rule_graph
import yaml

from prefgrid.files import cells
from prefgrid.files.formats import canonical_json
from prefgrid.plan.load import load
from prefgrid.studies import registry, rehearsal

SCRIPTS = rule_graph.REPOSITORY / "workflow_scripts"
STUDIES = SCRIPTS / "prefgrid" / "studies"
RAW = yaml.safe_load((rule_graph.REPOSITORY / "config.yaml").read_text())
# Per study: methods × seeds × shifts × n; blocks of seeds × shifts × τ × n; methods at two values of β and
# at one, × references × targets × blocks of seeds; methods of four judges × iterations × seeds.
POLICIES = {
    "link_robustness": 4 * 2 * 2 * 2,
    "single_index": 6 * 1 * 3 * 1 * 1,
    "soft_policy": (2 * 2 + 3 * 1) * 2 * 1 * 1,
    "self_play": (3 + 2 + 1 + 1) * 3 * 1,
}
PLANNING = sorted(
    path.relative_to(SCRIPTS).with_suffix("").as_posix().replace("/", ".")
    for path in STUDIES.rglob("*.py")
    if path.stem in ("base", "registry", "words", "wiring", "config", "checks", "training_spec")
)
HEAVY = {"torch", "transformers", "pandas", "numpy", "datasets", "scipy"}
ROOT, MODELS = "results/link_robustness", "results/models"
CELL = "seed=1/shift=4.0/n=400"


def wirings(**changes: dict[str, Any]) -> dict[str, Any]:
    """Of the default config; changes: study → keys of its section."""
    raw = RAW | {study: RAW[study] | keys for study, keys in changes.items()}
    config = load(raw)
    return {study: registry.wiring(package, config) for study, package in config.packages.items()}


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    return wirings()


@pytest.fixture(scope="module")
def jobs(default) -> list[rule_graph.Job]:
    return rule_graph.needed(default)[0]


GENERATION = RAW["link_robustness"]["generation"]
CONFIGS = {
    "the default": {},
    "several shards": {"link_robustness": {"generation": GENERATION | {"shards": 3}}},
    "one cell": {
        "link_robustness": {"seeds": [7], "methods": ["dpo"], "shifts": [0.5], "n": [100]},
        "single_index": {"seeds": 1, "methods": ["dpo"], "shifts": [0.0, 1.5], "n": [100]},
        "soft_policy": {"seeds": 1, "methods": ["softpo"], "references": ["peaked"]},
    },
    "several blocks of seeds": {"single_index": {"seeds": 25}, "soft_policy": {"seeds": 25}},
    "named targets": {"soft_policy": {"many": {"trained": 20, "tested": 5}}},
}


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_every_input_is_made(changes):
    """By the step of another cell, or by a rule of the world, the reference or the pools."""
    jobs, missing = rule_graph.needed(wirings(**changes))
    assert missing == []
    made = {job.rule.name for job in jobs}
    assert {"write_tiny_data", "train_tiny_base", "train_tiny_reward"} <= made
    assert {"train_reference", "build_prompt_pools"} <= made


def test_nothing_is_made_twice_and_every_policy_once(jobs):
    for study, count in POLICIES.items():
        own = [job for job in jobs if job.study == study and job.rule.block == "policy"]
        assert len(own) == len({job.cell for job in own}) == count
    trained = [job.inputs for job in jobs if job.rule.name == "train_preference_model"]
    assert len(trained) == 2 * 2
    scored = [job for job in jobs if job.rule.name == "compute_reference_logps"]
    one_a_seed = [job.cell for job in scored if job.study == "link_robustness"]
    assert sorted(one_a_seed) == ["pool=eval", "seed=0", "seed=1"]
    assert len(scored) == 3 + POLICIES["self_play"]


def test_every_rule_of_a_study_is_used(jobs):
    """By default all but what publishes: where to is the user's to say."""
    asking = {rule.name for rule in rule_graph.rules() if rule.block}
    assert asking - {"publish_self_play"} == {job.rule.name for job in jobs if job.step}
    publishing, _ = rule_graph.needed(wirings(self_play={"publish": {"repo": "someone/runs"}}))
    assert asking == {job.rule.name for job in publishing if job.step}


def test_what_all_cells_share_and_what_bears_the_cell_s_name_stand_in_the_rules(jobs):
    """The reference of whatever runs a model; the policy of the evaluation of the same cell."""
    found = {
        job.rule.name: job.inputs
        for job in jobs
        if job.study == "link_robustness" and job.cell in ("pool=eval", f"method=rspo/{CELL}")
    }
    reference = {f"{MODELS}/reference/{file}" for file in ("manifest.json", "model.safetensors")}
    for rule in ("compute_reference_logps", "train_policy", "evaluate_policy"):
        assert reference <= found[rule]
    files = ("manifest.json", "link.json")
    policy = {f"{ROOT}/policies/method=rspo/{CELL}/{file}" for file in files}
    assert policy <= found["evaluate_policy"]


def test_code_that_a_spec_chooses_is_always_part_of_the_fingerprint(jobs):
    chosen = {job.rule for job in jobs if job.step and job.step.modules}
    # Comparisons ask no study.
    assert chosen == {job.rule for job in jobs if job.rule.chooses and job.rule.block}


def test_specs_are_json_ready(jobs):
    for job in jobs:
        if job.step:
            read = json.loads(canonical_json(job.step.spec))
            assert read == _plain(job.step.spec), f"{job.rule.name}, {job.cell}"


def _plain(value: Any) -> Any:
    """With lists for tuples; AssertionError for what is none of JSON's own kinds."""
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    assert value is None or type(value) in (str, int, float, bool), type(value)
    return value


def test_a_gathered_table_has_the_cells_that_are_tracked_for_it(jobs):
    """The script opens what the spec lists; Snakemake waits for the inputs."""
    gathered = [job.step for job in jobs if job.rule.name == "gather_table"]
    assert len(gathered) == 12
    for step in gathered:
        listed = [cell for axes in step.spec["grids"] for cell in cells.every(dict(axes))]
        opened = [f"{step.spec['folder']}/{cell}/{step.spec['file']}" for cell in listed]
        assert opened == step.inputs["cells"]


def test_what_is_asked_of_the_pools_is_a_key_of_the_config(jobs):
    asked = [job.step.spec["prompts"] for job in jobs if job.rule.name == "sample_responses"]
    # Of an iteration's own file all.
    assert {one["pool"] for one in asked} == {1000, 200, 40, 60, None}
    for one in (one for one in asked if one["pool"] is not None):
        value = RAW
        for part in one["asked_by"].split("."):
            value = value[part]
        assert value == one["pool"]


def test_the_tiny_world_is_assessed_by_its_own_reward_model_alone():
    """Scores of another judge, or of this one with other options, say nothing about it."""
    assert wirings()["link_robustness"].assessed() == f"{ROOT}/rewards/pool=eval/rewards.jsonl"
    other = {"judge": "scalar", "options": {"max_tokens": 100}}
    config = load(RAW | {"judges": RAW["judges"] | {"reward": other}})
    assert registry.wiring("prefgrid.studies.link_robustness", config).assessed() is None


def test_every_caption_is_of_a_file_that_is_made(default):
    known = [rule for rule in rule_graph.rules() if rule.name not in rule_graph.OTHERS]
    for study in default.values():
        captions = study.captions()
        assert len(captions) == len(study.figures) + len(study.tables)
        assert all(captions.values())
        for path in captions:
            assert rule_graph.maker(path, default, known).study == study.name


def test_a_policy_s_step(default):
    step = default["link_robustness"].policy(f"method=rspo/{CELL}")
    assert step.inputs == {
        "data": f"{ROOT}/preferences/{CELL}/preferences.jsonl",
        "logps": f"{ROOT}/reference_logps/seed=1/logps.parquet",
        "adapters": [],
    }
    assert list(step.weights) == []
    assert step.modules == ("prefgrid.objectives.rspo",)
    assert json.loads(canonical_json(step.spec)) == {
        "seed": 1,
        "objective": "prefgrid.objectives.rspo",
        "options": {"beta_train": 1.0, "include_diagonal": False, "block_size": None},
        "training": {
            "epochs": 3,
            "max_steps": None,
            "batch_size": 32,
            "micro_batch_size": 32,
            "learning_rate": 0.0045,
            "learning_rate_schedule": "cosine",
            "final_learning_rate_share": 0.05,
            "warmup_steps": 10,
            "warmup_share": None,
            "schedule_steps": None,
            "schedule_epochs": None,
            "optimizer": "adamw",
            "weight_decay": 0.0,
            "adam_betas": [0.9, 0.999],
            "max_grad_norm": 1.0,
            "precision": "none",
            "gradient_checkpointing": False,
            "lora": {"rank": 8, "alpha": 16, "dropout": 0.0, "targets": "all-linear"},
        },
        "prompt_format": "chat",
    }


def test_an_evaluation_s_step(default):
    step = default["link_robustness"].evaluation(f"method=rspo/{CELL}")
    assert step.inputs == {
        "preferences": f"{ROOT}/preferences/{CELL}/preferences.jsonl",
        "prompts": "results/data/prompts/eval.jsonl",
        "reference_rewards": f"{ROOT}/rewards/pool=eval/rewards.jsonl",
        "reference_logps": f"{ROOT}/reference_logps/pool=eval/logps.parquet",
        "adapters": [],
        "judge": f"{MODELS}/reward/manifest.json",
    }
    assert list(step.weights) == [f"{MODELS}/reward/model.safetensors"]
    assert step.modules == ("prefgrid.judges.scalar",)
    assert json.loads(canonical_json(step.spec)) == {
        "columns": [
            ["method", "rspo"],
            ["seed", 1],
            ["link_shift", 4.0],
            ["link_temperature", 0.25],
            ["num_preferences", 400],
        ],
        "truth": {"shift": 4.0, "temperature": 0.25},
        "evaluation": {
            "prompts": 200,
            "samples": 1,
            "max_new_tokens": 64,
            "temperature": 1.0,
            "beta_grid": [0.25, 0.35, 0.5, 0.7, 1.0, 1.5, 2.5, 4.5],
            "batch_rows": 800,
            "index_pairs_per_prompt": 2,
            "seed": 0,
        },
        "judge": "prefgrid.judges.scalar",
        "options": {"max_tokens": 1024, "batch_size": 64, "precision": "none"},
        "prompt_format": "chat",
        "precision": "none",
        "batch_size": 32,
    }


def test_a_block_of_seeds(default):
    """The single-index study: 5 seeds, 10 a job, so one block; a policy and its evaluation."""
    cell = "shift=0.75/tau=0.25/n=1000/seeds=0-4"
    root, study = "results/single_index", default["single_index"]
    policy, evaluation = study.policy(f"method=rspo/{cell}"), study.evaluation(cell)
    draws = f"{root}/data/n=1000/seeds=0-4/draws.safetensors"
    assert policy.inputs == {"draws": draws}
    assert policy.modules == ("prefgrid.objectives.rspo",)
    shared = {"seeds": [0, 4], "shift": 0.75, "tau": 0.25, "reward_scale": 10.0}
    assert policy.spec == shared | {
        "objective": "prefgrid.objectives.rspo",
        "options": {"beta_train": 1.0, "include_diagonal": False, "block_size": None},
        "training": {
            "epochs": 100,
            "batch_size": 128,
            "learning_rate": 0.002,
            "discarded_orders": 0,
        },
    }
    assert evaluation.inputs == {
        "draws": draws,
        "policies": [
            f"{root}/policies/method={method}/{cell}/policies.safetensors"
            for method in ("dpo", "pspo", "ospo", "rspo", "dpo_early", "true_link")
        ],
    }
    betas = RAW["single_index"]["evaluation"]["beta_grid"]
    assert evaluation.spec == shared | {"kappas": [0.2], "beta_grid": betas}


def test_a_yardstick_is_told_the_link_of_its_own_preferences(default):
    """Its shift in units of u/T: that of the cell, or s/τ. A number that the config gives stays."""
    studies = wirings(
        methods={"wrong_link": {"objective": "true_link", "options": {"link_shift": 2.0}}}
    )
    language_models, exact = studies["link_robustness"], studies["single_index"]
    cell = "seed=0/shift=4.0/n=400"
    assert language_models.policy(f"method=true_link/{cell}").spec["options"]["link_shift"] == 4.0
    assert language_models.policy(f"method=wrong_link/{cell}").spec["options"]["link_shift"] == 2.0
    cell = "shift=0.75/tau=0.25/n=1000/seeds=0-4"
    assert exact.policy(f"method=true_link/{cell}").spec["options"]["link_shift"] == 3.0
    assert "link_shift" not in exact.policy(f"method=rspo/{cell}").spec["options"]


def test_a_training_seed_draws_anew_on_the_data_of_its_replicate(default):
    """`dpo_again` is dpo with a seed of its own; 0 is none, and the spec that there was before the key."""
    again = {"objective": "dpo", "options": {}, "training": {"seed": 1}}
    config = load(RAW | {"methods": RAW["methods"] | {"dpo_again": again}})
    wiring = registry.wiring(config.packages["link_robustness"], config)
    seeds = set()
    for replicate in (0, 1):
        cell = f"seed={replicate}/shift=4.0/n=400"
        first, second = (wiring.policy(f"method={label}/{cell}") for label in ("dpo", "dpo_again"))
        assert first == default["link_robustness"].policy(f"method=dpo/{cell}")
        assert first.spec["seed"] == replicate and "seed" not in first.spec["training"]
        assert second.inputs == first.inputs
        assert second.spec | {"seed": replicate} == first.spec
        seeds |= {first.spec["seed"], second.spec["seed"]}
        # Noise of the evaluation: the same.
        same, own = (wiring.evaluation(f"method={label}/{cell}") for label in ("dpo", "dpo_again"))
        assert own.inputs == same.inputs
        assert own.spec | {"columns": None} == same.spec | {"columns": None}
    assert len(seeds) == 4
    assert rehearsal.specs(config, [wiring]) == rehearsal.specs(
        load(RAW), [default["link_robustness"]]
    )


def test_a_training_seed_of_all_policies_leaves_the_reference_as_it_is():
    config = load(RAW | {"training": RAW["training"] | {"seed": 5}})
    assert config.training_of(config.reference.sft.training).seed == 0
    assert {config.training_of(one.training).seed for one in config.methods.values()} == {5}


def test_a_policy_of_another_precision_brings_its_own_reference_log_probabilities():
    """The table was made with the weights of `training.precision`; else there is no table."""
    raw = RAW | {"methods": RAW["methods"] | {"dpo": {"objective": "dpo", "options": {}}}}
    raw["methods"]["dpo"]["training"] = {"precision": "bf16"}
    config = load(raw)
    wiring = registry.wiring(config.packages["link_robustness"], config)
    own, other = (wiring.evaluation(f"method={label}/{CELL}") for label in ("dpo", "pspo"))
    assert own.inputs["reference_logps"] == [] and own.spec["precision"] == "bf16"
    assert other.inputs["reference_logps"] and other.spec["precision"] == "none"


def test_a_policy_of_all_weights_is_evaluated_in_float32_whatever_it_was_trained_in():
    raw = RAW | {"methods": RAW["methods"] | {"dpo": {"objective": "dpo", "options": {}}}}
    raw["methods"]["dpo"]["training"] = {"lora": None}
    for precision, looked_up in (("none", True), ("bf16", False)):
        config = load(raw | {"training": RAW["training"] | {"precision": precision}})
        wiring = registry.wiring(config.packages["link_robustness"], config)
        step = wiring.evaluation(f"method=dpo/{CELL}")
        assert step.spec["precision"] == "none"
        assert bool(step.inputs["reference_logps"]) is looked_up
        assert wiring.policy(f"method=dpo/{CELL}").spec["training"]["precision"] == precision


@pytest.mark.parametrize("module", PLANNING)
def test_planning_loads_no_data_or_model_library(module):
    program = f"import sys, {module}; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_several_kls_reach_tables_figures_and_exact_evaluations_only():
    """No scan of a language model knows at which KLs it is read; on numbers none is looked at."""
    kappas = [0.5, 0.1]
    one, several = (
        wirings(),
        wirings(
            **{
                study: {"evaluation": RAW[study]["evaluation"] | {"kappa": kappas}}
                for study in ("link_robustness", "single_index")
            }
        ),
    )
    for study in ("soft_policy", "pairwise_judges", "self_play"):
        other = several.pop(study)
        assert other.tabulation() == one[study].tabulation()
        assert other.section() == one[study].section()
    for study, wiring in several.items():
        assert wiring.tabulation().spec["kappas"] == kappas
        assert wiring.section().spec["kappas"] == kappas
        assert one[study].tabulation().spec["kappas"] == [RAW[study]["evaluation"]["kappa"]]
    cell = "method=dpo/seed=0/shift=4.0/n=400"
    assert several["link_robustness"].evaluation(cell) == one["link_robustness"].evaluation(cell)
    exact = several["single_index"].evaluation("shift=1.5/tau=0.25/n=1000/seeds=0-4")
    assert exact.spec["kappas"] == kappas
