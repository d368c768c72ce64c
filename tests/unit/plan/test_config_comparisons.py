"""Sets of comparisons: modules by name, what each is made from, and mistakes that planning names."""

import json
import os
from pathlib import Path

import pytest
from tests.unit.plan.test_config import DATA, HUB, changed, mistakes

from prefgrid.config import comparisons
from prefgrid.plan import comparison_sets
from prefgrid.plan.load import load
from prefgrid.plan.local_paths import folders
from prefgrid.plan.local_sources import CONTENT

REVISION = {"source": "allenai/reward-bench", "revision": "a" * 40, "split": "filtered"}
BENCH = {"comparisons": "reward_bench", "source": REVISION}
MIXED = {"comparisons": "mixture", "shares": {"scores": 0.25, "closings": 0.75}}


def of(label: str = "own", **section: object) -> dict:
    return changed({f"comparisons.{label}": section})


def in_hub(**sets: object) -> dict:
    hub = {"world": "hub", "hub": {**HUB, "dataset": DATA}}
    return changed(hub | {f"comparisons.{label}": one for label, one in sets.items()})


def test_every_module_is_found_and_no_helper():
    ours = ("aspects", "mixture", "pairs", "reward_bench", "reward_bench_2", "scores")
    assert comparisons.known() == ours
    for name in comparisons.known():
        constants = comparisons.constants(name)
        assert constants.defaults.keys() == constants.bounds.keys()
        assert bool(constants.fields) == (constants.reads == "source")
    certain = {name for name in ours if comparisons.constants(name).certain}
    assert certain == {"aspects", "reward_bench", "reward_bench_2", "scores"}
    assert comparisons.constants("pairs").optional_fields[:2] == ("rejected", "reject")


def test_a_set_is_made_from_what_it_reads_and_from_no_other():
    config = load(changed({"comparisons.mixed": MIXED}))
    before = {label: comparison_sets.step(config, label) for label in config.comparisons}
    data = {"dataset": "prefgrid.data.ultrafeedback", "bad_row_share": 0.01, "eval_share": 0.15}
    assert before["scores"].inputs == {"files": ["results/data/ultrafeedback/train.jsonl"]}
    assert before["scores"].spec == {
        "comparisons": "prefgrid.comparisons.scores",
        "options": {"pairs_per_prompt": None},
        "data": data,
    }
    assert before["scores"].modules == ("prefgrid.comparisons.scores", data["dataset"])
    assert before["closings"].inputs == {"files": []}
    assert before["closings"].spec["data"] == {"eval_share": 0.15}
    assert before["circles_without_honesty"].spec["options"] == {
        "aspect": "honesty",
        "circles": True,
        "circles_per_prompt": 1,
        "pairs_per_prompt": None,
    }
    assert before["mixed"].inputs["files"] == [
        f"results/comparisons/{label}/{split}.jsonl"
        for label in ("scores", "closings")
        for split in ("train", "calibration", "test")
    ]
    assert before["mixed"].spec["options"] == {"seed": 0, "shares": MIXED["shares"]}
    assert before["mixed"].spec["data"] == {}
    other = changed({"comparisons.mixed": MIXED, "comparisons.more": {"comparisons": "scores"}})
    after = load(other | {"run_name": "other"})
    assert {label: comparison_sets.step(after, label) for label in before} == before


def test_a_source_is_fetched_pinned_with_the_columns_that_its_module_reads():
    config = load(in_hub(bench=BENCH))
    assert comparison_sets.step(config, "bench").inputs == {
        "files": ["results/data/comparisons/bench/train.jsonl"]
    }
    fetches = comparison_sets.fetches(config, ())
    assert fetches.keys() == {"data/ultrafeedback", "data/comparisons/bench"}
    assert fetches["data/comparisons/bench"] == REVISION | {
        "fields": ("prompt", "chosen", "rejected", "subset"),
        "optional_fields": (),
    }
    # As it was before comparisons could be fetched: nobody fetches a dataset anew.
    assert fetches["data/ultrafeedback"] == DATA | {"fields": ("instruction", "completions")}
    assert comparison_sets.fetches(load(changed({})), ()) == {}


def test_a_local_file_beside_the_config_works_in_the_tiny_world(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/rows.jsonl").write_text("{}\n")
    file = tmp_path / "mine/mine.yaml"
    own = {"comparisons": "pairs", "source": {"source": "rows.jsonl", "revision": None}}
    own["source"]["split"] = "train"
    file.write_text(json.dumps({"comparisons": {"my.own": own}}))
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    raw = changed({})
    raw["comparisons"]["my.own"] = own
    config = load(raw, folders(raw, [file], lambda path: json.loads(Path(path).read_text())))
    source = config.comparisons["my.own"].source.source
    assert os.path.samefile(source, tmp_path / "mine/rows.jsonl")
    (spec,) = comparison_sets.fetches(config, ()).values()
    assert spec["source"] == source and len(spec[CONTENT]) == 32


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            {"comparisons": "score"},
            "comparisons.own.comparisons: unknown module of comparisons 'score'; did you mean "
            "'scores'? allowed: aspects, mixture, pairs, reward_bench, reward_bench_2, scores, or the "
            "dotted name of an importable module",
        ),
        (
            {"comparisons": "aspects", "options": {"aspect": "fun"}},
            "comparisons.own: comparisons 'aspects': option aspect = 'fun'; allowed: "
            "instruction_following, honesty, truthfulness, helpfulness",
        ),
        (
            {"comparisons": "scores", "options": {"pairs": 1}},
            "comparisons.own: comparisons 'scores': no option 'pairs'; allowed: pairs_per_prompt",
        ),
        (
            {"comparisons": "aspects", "options": {"circles_per_prompt": 2}},
            "comparisons.own: comparisons 'aspects': option circles_per_prompt is set, but with circles = "
            "False it is not read; allowed: without it, or circles = True",
        ),
        (
            {"comparisons": "aspects", "options": {"circles": True, "pairs_per_prompt": None}},
            "comparisons.own: comparisons 'aspects': option pairs_per_prompt is set, but with circles = "
            "True it is not read; allowed: without it, or circles = False",
        ),
        (
            {"comparisons": "reward_bench"},
            "comparisons.own: source is null, but 'reward_bench' reads a file of its own",
        ),
        (
            BENCH | {"comparisons": "scores"},
            "comparisons.own: source is set, but 'scores' reads the dataset of `data`; allowed: null",
        ),
        (
            {"comparisons": "mixture"},
            "comparisons.own: shares is null, but 'mixture' reads other comparisons",
        ),
        (
            {"comparisons": "mixture", "shares": {"scores": 0.5, "closings": 0.4}},
            "comparisons.own: shares sum to 0.9; allowed: at least one, with the sum 1",
        ),
        (
            {"comparisons": "mixture", "shares": {"score": 1.0}},
            "comparisons.own.shares: 'score': unknown comparisons; did you mean 'scores'? allowed: "
            "scores, circles_without_instruction_following, circles_without_honesty, "
            "circles_without_truthfulness, circles_without_helpfulness, closings",
        ),
        (
            BENCH,
            "comparisons.own.source.source: 'allenai/reward-bench' is no local path, and world: tiny "
            "needs no network; allowed: a local file or folder, or another with world: hub",
        ),
        (
            BENCH | {"source": REVISION | {"source": "no/such/file.jsonl"}},
            "comparisons.own.source.source: 'no/such/file.jsonl' is no local path",
        ),
        (
            BENCH | {"source": REVISION | {"revision": None}},
            "comparisons.own.source.revision: is null, but 'allenai/reward-bench' is no local path",
        ),
    ],
)
def test_a_mistake_is_named_at_planning(section, said):
    assert any(line.startswith(said) for line in mistakes({"comparisons.own": section}))


def test_a_benchmark_trains_nobody(tmp_path):
    """Nor is it made anew when more prompts are held out, since it holds out none."""
    (tmp_path / "rows.jsonl").write_text("{}\n")
    local = {"source": str(tmp_path / "rows.jsonl"), "revision": None, "split": "train"}
    bench = {"comparisons": "reward_bench", "source": local}
    said = "'bench' is a benchmark, which has no rows to train on; allowed: others"
    mixed = {"comparisons": "mixture", "shares": {"bench": 0.5, "scores": 0.5}}
    sets = {"comparisons.bench": bench, "comparisons.own": bench | {"comparisons": "pairs"}}
    assert mistakes(sets | {"comparisons.mixed": mixed}) == [f"comparisons.mixed.shares: {said}"]
    assert mistakes(sets | {"preference_models.bt.comparisons": "bench"}) == [
        f"preference_models.bt.comparisons: {said}"
    ]
    [line] = mistakes(sets | {"pairwise_judges.comparisons": ["closings", "bench"]})
    assert line.startswith("pairwise_judges.preference_models: bt, gpm: trained on each of")
    steps = [
        [comparison_sets.step(load(changed(sets | more)), label) for label in ("bench", "own")]
        for more in ({}, {"data.eval_share": 0.3})
    ]
    assert steps[0][0] == steps[1][0] and steps[0][1] != steps[1][1]
    assert steps[0][0].spec["data"] == {"bad_row_share": 0.01}


def test_a_mixture_of_mixtures_is_refused():
    sets = {"comparisons.a": MIXED, "comparisons.b": MIXED | {"shares": {"a": 1.0}}}
    (line,) = mistakes(sets)
    assert line.startswith("comparisons.b.shares: 'a': is a mixture; ")


@pytest.mark.parametrize(
    ("module", "source", "said"),
    [
        ("bare", "READS = 'nothing'", "lacks the literal OPTIONS"),
        ("odd", "OPTIONS = {}\nREADS = 'files'", "READS 'files'; allowed: dataset, source, "),
        ("columns", "OPTIONS = {}\nREADS = 'source'", "lacks the literal FIELDS"),
        (
            "unsure",
            "OPTIONS = {}\nREADS = 'nothing'\nCERTAIN = 'yes'",
            "CERTAIN 'yes'; allowed: True, False",
        ),
        ("text", "OPTIONS = {}\nREADS = 'source'\nFIELDS = 'a'", "FIELDS must be a tuple"),
        (
            "more",
            "OPTIONS = {}\nREADS = 'source'\nFIELDS = ('a',)\nOPTIONAL_FIELDS = (1,)",
            "OPTIONAL_FIELDS must be a tuple",
        ),
    ],
)
def test_what_a_module_of_somebody_else_lacks_is_named(tmp_path, monkeypatch, module, source, said):
    package = f"comparisons_{tmp_path.name}"
    (tmp_path / package).mkdir()
    (tmp_path / package / f"{module}.py").write_text(f"{source}\ndef read(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    (line,) = mistakes({"comparisons.own": {"comparisons": f"{package}.{module}"}})
    assert line.startswith("comparisons.own.comparisons: module of comparisons ") and said in line
