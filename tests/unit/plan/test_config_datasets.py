"""Datasets by name: ours, those of any package, and what the tiny world can offer."""

import pytest
from tests.unit.plan.test_config import DATA, HUB, changed, mistakes

from prefgrid.config import datasets
from prefgrid.plan.load import load

TOY = "tests.support.toy_dataset"


def in_hub(dataset: str) -> dict:
    return {"world": "hub", "hub": {**HUB, "dataset": DATA}, "data.dataset": dataset}


def test_every_dataset_is_found_and_no_helper():
    assert datasets.known() == ("ultrafeedback",)
    constants = datasets.constants("ultrafeedback")
    assert constants.source == "openbmb/UltraFeedback"
    assert constants.fields == ("instruction", "completions")


def test_the_default_lies_where_it_lay():
    data = load(changed({})).data
    assert data.path == "results/data/ultrafeedback/train.jsonl"
    assert data.reading == {
        "dataset": "prefgrid.data.ultrafeedback",
        "bad_row_share": data.bad_row_share,
        "eval_share": data.eval_share,
    }


def test_a_dataset_of_somebody_else_is_of_the_hub_world():
    data = load(changed(in_hub(TOY))).data
    assert (data.module, data.path) == (TOY, "results/data/toy_dataset/train.jsonl")
    assert data.fields == ("question", "answer")


def test_the_tiny_world_writes_one_schema():
    (line,) = mistakes({"data.dataset": TOY})
    assert line == (
        f"data.dataset: '{TOY}' reads the schema of nobody/questions, but world: tiny writes that "
        "of openbmb/UltraFeedback; allowed: ultrafeedback, or another with world: hub"
    )


def test_an_unknown_dataset_is_named_with_a_suggestion():
    (line,) = mistakes({"data.dataset": "ultra_feedback"})
    assert line == (
        "data.dataset: unknown dataset 'ultra_feedback'; did you mean 'ultrafeedback'? allowed: "
        "ultrafeedback, or the dotted name of an importable module"
    )
    (line,) = mistakes({"data.dataset": "prefgrid.data.nothing"})
    assert line.endswith("unknown dataset 'prefgrid.data.nothing': no such importable module")


GOOD = "SOURCE = 'a/b'\nFIELDS = ('text',)\n"
READ = "def read(): ...\n"


@pytest.mark.parametrize(
    ("module", "source", "said"),
    [
        ("bare", "", "lacks the literal SOURCE"),
        ("partial", "SOURCE = 'a/b'", "lacks the literal FIELDS"),
        ("numbered", "SOURCE = 3\nFIELDS = ()", "SOURCE must be a hub id"),
        ("worded", "SOURCE = 'a/b'\nFIELDS = 'text'", "FIELDS must be a tuple of columns"),
        ("prompts", GOOD, "results/data/prompts holds something else"),
    ],
)
def test_what_a_dataset_lacks_is_named(tmp_path, monkeypatch, module, source, said):
    # A package of its own name: what was read is kept.
    package = f"datasets_{tmp_path.name}"
    (tmp_path / package).mkdir()
    (tmp_path / package / f"{module}.py").write_text(f"import not_here\n{source}\n{READ}")
    monkeypatch.syspath_prepend(tmp_path)
    (line,) = mistakes(in_hub(f"{package}.{module}"))
    assert line.startswith(f"data.dataset: dataset '{package}.{module}' ({module}.py)")
    assert said in line
