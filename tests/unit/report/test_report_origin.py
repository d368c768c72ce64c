"""Which records a file's ancestors are."""

from pathlib import Path

import pytest

from prefgrid.files import store
from prefgrid.report import origin


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Records name files relative to the working folder, as Snakemake does."""
    monkeypatch.chdir(tmp_path)


def make(place: str, outputs: list[str], *inputs: str) -> None:
    """An artifact's record; its script is named after its first output."""
    groups = {"listed": dict.fromkeys(inputs, "sha"), "absent": {}}
    record = {"script": outputs[0], "inputs": groups, "outputs": dict.fromkeys(outputs, "sha")}
    store.write_json(place, record | {"spec": {}, "code": "code"})


def scripts(*paths: str) -> list[str]:
    return sorted(record["script"] for record in origin.ancestors(paths))


def grid_of_two_cells() -> None:
    """data → base → policies of two cells → a table → two figures in one folder."""
    make("data/_provenance.json", ["data/train.jsonl"])
    manifest = "base/manifest.json"
    make("base/_provenance.json", [manifest, "base/model.safetensors"], "data/train.jsonl")
    policies = [f"policies/n={n}/manifest.json" for n in (1, 2)]
    for policy in policies:
        make(str(Path(policy).with_name("_provenance.json")), [policy], manifest)
    make("tables/_provenance.json", ["tables/runs.csv", "tables/summary.csv"], *policies)
    for name, table in (("frontier", "runs"), ("training", "summary")):
        outputs = [f"figures/{name}.svg", f"figures/{name}.png"]
        make(f"figures/_provenance/{name}.json", outputs, f"tables/{table}.csv")


CELLS = ["policies/n=1/manifest.json", "policies/n=2/manifest.json"]
BELOW_FIGURES = ["base/manifest.json", "data/train.jsonl", *CELLS, "tables/runs.csv"]


def test_all_ancestors_each_once():
    grid_of_two_cells()
    assert scripts("figures/frontier.svg", "tables/summary.csv") == sorted(
        [*BELOW_FIGURES, "figures/frontier.svg"]
    )
    assert scripts(CELLS[0]) == ["base/manifest.json", "data/train.jsonl", CELLS[0]]


def test_the_second_output_of_a_shared_folder_has_the_same_record():
    grid_of_two_cells()
    assert scripts("figures/training.png") == sorted([*BELOW_FIGURES, "figures/training.svg"])


def test_other_grids_and_running_jobs_do_not_count():
    """Leftovers are neither summed up nor opened."""
    grid_of_two_cells()
    before = scripts("figures/frontier.svg")
    make("policies/n=3/_provenance.json", ["policies/n=3/manifest.json"], "base/manifest.json")
    make("figures/_provenance/old.json", ["figures/old.svg"], "tables/summary.csv")
    for broken in ("other/_provenance.json", "tables/.partial-runs.csv-0a/_provenance.json"):
        store.write_text(broken, "{")
    assert scripts("figures/frontier.svg") == before


def test_a_record_of_the_folder_s_earlier_use_does_not_count():
    grid_of_two_cells()
    before = scripts("figures/frontier.svg", "tables/runs.csv")
    make("figures/_provenance.json", ["figures/everything.svg"], "elsewhere/x")
    make("tables/_provenance/runs.json", ["tables/runs.parquet"])
    assert scripts("figures/frontier.svg", "tables/runs.csv") == before


def test_a_file_from_outside_ends_its_branch():
    make("made/_provenance.json", ["made/out"], "given/by-hand.jsonl")
    assert scripts("made/out", "also/given.csv") == ["made/out"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "field 'script' is missing"),
        ('{"script": "x"', "not valid JSON"),
        ("[]", "should be a valid dictionary"),
    ],
)
def test_a_damaged_record_is_named(text, problem):
    grid_of_two_cells()
    store.write_text("base/_provenance.json", text)
    with pytest.raises(store.DataError, match=f"^base/_provenance.json: {problem}"):
        origin.ancestors(["figures/frontier.svg"])


def test_the_order_of_the_paths_does_not_matter():
    grid_of_two_cells()
    paths = ("figures/frontier.svg", "figures/training.svg", CELLS[1])
    assert origin.ancestors(paths) == origin.ancestors(reversed(paths))


def test_commits_of_what_was_fetched_by_what_it_is_for():
    made = []
    for folder, script, name in (
        ("models/base", "fetch_model", "base"),
        ("data/ultrafeedback", "fetch_dataset", None),
        ("data/comparisons/skywork", "fetch_dataset", None),
        ("data/comparisons/mine", "fetch_dataset", None),
    ):
        commit = None if folder.endswith("mine") else f"{folder} commit"
        source = {"source": "x", "revision": "main", "commit": commit}
        store.write_json(f"{folder}/source.json", source)
        outputs = {f"{folder}/train.jsonl": "sha"}
        made.append({"script": script, "outputs": outputs, "spec": {"name": name}})
    assert origin.commits(made) == {
        "base_model": "models/base commit",
        "dataset": "data/ultrafeedback commit",
        "skywork_comparisons": "data/comparisons/skywork commit",
    }
