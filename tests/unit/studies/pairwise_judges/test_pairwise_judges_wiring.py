"""What the cells of the study are made from: files, specs and weights, of the default and of other grids."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from prefgrid.config.merging import merged
from prefgrid.plan import wirings
from prefgrid.plan.load import ConfigError, load
from prefgrid.studies import preference_models, registry, sources

REPOSITORY = Path(__file__).resolve().parents[4]
RAW = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
ROOT = "results/pairwise_judges"
TRAINED = "judge=gpm/on=closings/seed=0"


def wiring(preset: str | None = None, models: dict[str, Any] | None = None, **changes: Any):
    raw = merged(RAW, {"studies": ["pairwise_judges"], "preference_models": models or {}})
    if preset:
        raw = merged(raw, yaml.safe_load((REPOSITORY / "presets" / preset).read_text()))
    config = load(merged(raw, {"pairwise_judges": changes}))
    return registry.wiring(config.packages["pairwise_judges"], config)


def test_a_trained_judge_is_asked_about_three_files_with_what_it_was_trained_on():
    step = wiring().matrices(TRAINED)
    folder = "results/preference_models/model=gpm/on=closings/seed=0"
    assert step.inputs == {
        "groups": [
            "results/comparisons/closings/calibration.jsonl",
            "results/comparisons/closings/test.jsonl",
            f"{ROOT}/responses/pool=eval/shard=0/responses.jsonl",
        ],
        "opponents": [],
        "judge": f"{folder}/manifest.json",
    }
    assert list(step.weights) == [f"{folder}/model.safetensors"]
    assert step.modules == ("prefgrid.judges.embedding",)
    assert step.spec["options"]["max_tokens"] == 1024
    assert step.spec["at_once"] is None


@pytest.mark.parametrize(
    ("training", "precision"),
    [
        ({"precision": "bf16", "lora": {"targets": ["q_proj"]}}, "bf16"),
        ({"precision": "bf16", "lora": None}, "none"),
        ({"precision": "none", "lora": {"targets": ["q_proj"]}}, "none"),
    ],
)
def test_a_trained_judge_is_read_in_the_precision_of_its_weights(training, precision):
    entry = {"training": training, "batch_size": 7}
    own = wiring(models={"gpm": entry})
    options = own.matrices(TRAINED).spec["options"]
    assert (options["precision"], options["batch_size"]) == (precision, 7)
    assert own.embeddings(TRAINED).spec["options"] == options
    trained = preference_models.step(own.config, TRAINED.replace("judge=", "model="))
    assert "batch_size" not in trained.spec


def test_a_plain_judge_is_the_config_s():
    step = wiring().matrices("judge=circle/on=scores")
    assert step.inputs["judge"] == []
    assert step.spec["judge"] == "prefgrid.tinyworld.circle_judge"
    assert step.inputs["groups"][1] == "results/comparisons/scores/test.jsonl"


def test_a_calibration_is_of_the_first_file():
    step = wiring().calibration(TRAINED)
    assert step.inputs == {
        "matrices": f"{ROOT}/matrices/{TRAINED}/matrices.parquet",
        "comparisons": "results/comparisons/closings/calibration.jsonl",
    }
    assert step.spec == {"file": 0}


def test_the_tabulation_has_every_cell_once_and_in_one_order():
    own = wiring(seeds=[0, 3])
    step = own.tabulation()
    cells = step.spec["cells"]
    assert len(cells) == len({tuple(map(str, cell)) for cell in cells}) == 2 * (2 * 2 + 2)
    for cell, matrices, calibration in zip(
        cells, step.inputs["matrices"], step.inputs["calibrations"], strict=True
    ):
        judge, on, seed = cell
        folder = f"judge={judge}/on={on}" + ("" if seed is None else f"/seed={seed}")
        assert matrices == f"{ROOT}/matrices/{folder}/matrices.parquet"
        assert calibration == f"{ROOT}/calibrations/{folder}/calibration.json"
    assert (step.spec["measured"], step.spec["sampled"]) == (1, 2)
    assert step.spec["truth"] == {"closings": "circle"}
    assert own.ring == TRAINED


def test_what_is_switched_off_is_not_made():
    own = wiring(samples=None, ring=None, judges=["length"], truth={"closings": None})
    assert own.matrices(TRAINED).inputs["groups"] == [
        "results/comparisons/closings/calibration.jsonl",
        "results/comparisons/closings/test.jsonl",
    ]
    assert "ring" not in own.figures and "embeddings" not in own.artifacts()
    assert own.tabulation().spec["sampled"] is None
    # The pairs by score are the dataset's.
    assert own.reads_dataset and wiring().reads_dataset
    alone = {"comparisons": ["closings"], "samples": None, "ring": None}
    assert not wiring(**alone).reads_dataset
    assert wiring(**alone | {"comparisons": ["circles_without_honesty"]}).reads_dataset


def test_sets_name_their_files_and_a_judge_s_model_brings_its_training():
    mix = {"comparisons": "mixture", "shares": {"mine": 0.5, "scores": 0.5}}
    source = {"source": "lab/pairs", "revision": "v1", "split": "train"}
    raw = merged(
        RAW,
        {
            "studies": ["pairwise_judges"],
            "world": "hub",
            "reference": {"sft": None},
            "hub": {
                "models": {"base": {"source": "lab/base", "revision": "main"}},
                "dataset": {"source": "lab/data", "revision": "main", "split": "train"},
            },
            "comparisons": {"mine": {"comparisons": "pairs", "source": source}, "both": mix},
            "preference_models": {"gpm": {"comparisons": "both"}},
            "judges": {"asked": {"judge": "embedding", "model": "gpm"}},
        },
    )
    study = {"preference_models": [], "judges": ["asked"], "baseline": None, "truth": {}}
    study |= {"comparisons": ["mine"], "samples": None, "ring": None}
    config = load(merged(raw, {"pairwise_judges": study}))
    own = registry.wiring(config.packages["pairwise_judges"], config)
    # Of the mixture that trained the model the asked one is, scores is of the dataset.
    assert own.sources == {
        "run": "default",
        "base_model": "lab/base@main",
        "dataset": "lab/data@main, split train",
        "comparisons mine": "lab/pairs@v1, split train",
    }
    [training] = own.trainings()
    assert training["lora"] is None and training["max_steps"] == 300
    assert ("Comparisons mine", "lab/pairs@v1, split train") in sources.rows(own.sources)


def test_a_set_of_the_dataset_needs_one():
    raw = merged(RAW, {"studies": ["pairwise_judges"], "world": "hub", "reference": {"sft": None}})
    raw = merged(raw, {"hub": {"models": {"base": {"source": "lab/base", "revision": "main"}}}})
    own = {"samples": None, "ring": None, "judges": [], "comparisons": ["circles_without_honesty"]}
    config = load(merged(raw, {"pairwise_judges": own}))
    with pytest.raises(ConfigError, match="hub.dataset is null, but this study reads"):
        wirings.of(config)


def test_labels_are_certain_by_their_module_and_of_a_mixture_by_its_parts():
    changes = {"comparisons": ["closings", "circles_without_honesty", "one", "other"]}
    one, other = {"scores": 0.5, "circles_without_honesty": 0.5}, {"scores": 0.5, "closings": 0.5}
    mixtures = {
        name: {"comparisons": "mixture", "shares": shares}
        for name, shares in (("one", one), ("other", other))
    }
    raw = merged(RAW, {"studies": ["pairwise_judges"], "comparisons": mixtures})
    config = load(merged(raw, {"pairwise_judges": changes}))
    own = registry.wiring(config.packages["pairwise_judges"], config)
    assert own.tabulation().spec["certain"] == ["circles_without_honesty", "one"]


def test_samples_are_k_of_the_first_held_out_prompts():
    step = wiring(samples={"prompts": 12, "responses": 7}).responses("pool=eval/shard=0")
    assert step.spec["prompts"]["pool"] == step.spec["prompts"]["groups"] == 12
    assert step.spec["samples"] == 7
    assert step.inputs["prompts"] == "results/data/prompts/eval.jsonl"


def test_the_published_circles_are_measured_on_what_trains_them():
    own = wiring("aspect_circles.yaml")
    assert len(own.study.comparisons) == 4
    for on in own.study.comparisons:
        step = own.matrices(f"judge=gpm/on={on}/seed=0")
        assert step.inputs["groups"][1] == f"results/comparisons/{on}/train.jsonl"
        options = own.config.comparisons[on].all_options
        assert options["circles"] and f"circles_without_{options['aspect']}" == on
        assert step.spec["options"]["max_tokens"] == 2048
    models = own.config.preference_models
    assert (models["bt"].temperature, models["gpm"].temperature) == (1.0, 0.1)
    assert models["gpm"].normalize and models["gpm"].anneal is None
    for training in own.trainings():
        assert (training["epochs"], training["batch_size"], training["lora"]) == (50, 1, None)
        assert training["learning_rate"] == 1e-6


def test_the_tiny_circles_are_the_four_sets_and_train_what_is_measured():
    own = wiring("aspect_circles_tiny.yaml")
    published = wiring("aspect_circles.yaml").study.comparisons
    assert own.study.comparisons == published and own.study.measure_on == "train"
    assert own.tabulation().spec["certain"] == published
    assert own.study.samples is None and own.study.judges == []


def test_the_benchmarks_are_those_of_the_hub_and_train_nothing():
    own = wiring("reward_bench.yaml")
    assert own.cells("policies") == []
    sets = {label: own.config.comparisons[label].source for label in own.study.comparisons}
    assert {label: (one.source, one.split) for label, one in sets.items()} == {
        "reward_bench": ("allenai/reward-bench", "filtered"),
        "reward_bench_2": ("allenai/reward-bench-2", "test"),
    }
    step = own.matrices("judge=pairrm/on=reward_bench")
    assert step.inputs["judge"] == "results/models/judges/pairrm/manifest.json"
    assert step.spec["judge"] == "prefgrid.judges.pair_ranker"


def test_what_knows_the_tiny_world_s_language_stays_there():
    with pytest.raises(ConfigError) as error:
        wiring("reward_bench.yaml", judges=["reward", "rule"], comparisons=["closings"])
    assert "pairwise_judges.judges: rule: of the tiny world's language" in str(error.value)
    assert "pairwise_judges.comparisons: closings: of the tiny" in str(error.value)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"loa": 1}, "preference_models.gpm.training.loa: unknown key; did you mean 'lora'"),
        ({"max_steps": 0}, "preference_models.gpm.training.max_steps: 0 "),
        ({"precision": "fp16"}, "preference_models.gpm.training.precision: fp16 needs a GPU"),
        ({"warmup_steps": 9999}, "preference_models.gpm.training: its .*9999"),
        (
            {"lora": {"targets": ["q_porj"]}},
            "preference_models.gpm.training.lora.targets: .*no linear layer 'q_porj'",
        ),
    ],
)
def test_what_trains_a_model_is_checked(training, said):
    raw = merged(RAW, {"preference_models": {"gpm": {"training": training}}})
    with pytest.raises(ConfigError, match=said):
        load(merged(raw, {"studies": ["pairwise_judges"]}))


def test_the_section_is_checked_with_the_whole_config():
    with pytest.raises(ConfigError, match="pairwise_judges.judges: unknown label 'rules'"):
        wiring(judges=["rules", "circle"])
