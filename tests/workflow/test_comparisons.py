"""Sets of comparisons through Snakemake: one's own file, a ring, a mixture; a new label is no other's."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from prefgrid.files import reading, records
from tests.workflow.conftest import Checkout, copy_sources

OWN = {"comparisons": "pairs", "source": {"source": "rows.jsonl", "revision": None}}
SETS = {
    "own": {**OWN, "source": {**OWN["source"], "split": "train"}},
    "closings": {"options": {"groups": 60}},
    "mixed": {"comparisons": "mixture", "shares": {"own": 0.5, "closings": 0.5}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A tree in which the mixture was asked for, and so its sources were made."""
    folder = tmp_path_factory.mktemp("comparisons") / "tree"
    copy_sources(folder)
    rows = [{"instruction": f"Q{n}", "chosen": "a", "reject": "b"} for n in range(40)]
    rows.append({"instruction": "Q", "chosen": "a", "reject": "a"})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "small.yaml").write_text(yaml.safe_dump({"comparisons": SETS}))
    checkout = Checkout(folder)
    checkout.snakemake("results/comparisons/mixed/test.jsonl")
    yield checkout


def rows(made: Checkout, label: str, split: str) -> list[dict]:
    path = made.folder / "results/comparisons" / label / f"{split}.jsonl"
    return list(reading.iterate_jsonl(path, records.Compared))


def summary(made: Checkout, label: str) -> dict:
    return json.loads((made.folder / f"results/comparisons/{label}/summary.json").read_text())


def test_files_of_a_set_are_disjoint_and_counted(made):
    assert summary(made, "own")["dropped"] == {"equal responses": 1}
    for label, count in (("own", 40), ("closings", 60)):
        splits = [rows(made, label, split) for split in ("train", "calibration", "test")]
        assert sum(map(len, splits)) == sum(summary(made, label)["rows"].values()) == count
        assert len({row["prompt_id"] for split in splits for row in split}) == count
    mixed = {row["prompt_id"] for row in rows(made, "mixed", "train")}
    both = [row["prompt_id"] for one in ("own", "closings") for row in rows(made, one, "train")]
    assert mixed == set(both)
    log = (made.folder / "results/logs/collect_comparisons/own.log").read_text()
    assert "left out: 1 equal responses; 0 bad rows" in log


def test_a_new_label_makes_its_own_files_alone(made):
    sets = {**SETS, "more": {"comparisons": "prefgrid.tinyworld.closings", "options": {"seed": 1}}}
    (made.folder / "small.yaml").write_text(yaml.safe_dump({"comparisons": sets}))
    targets = [f"results/comparisons/{label}/test.jsonl" for label in ("mixed", "more")]
    assert made.planned(*targets) == {"collect_comparisons": 1}


def test_a_changed_file_of_ones_own_is_fetched_anew(made: Checkout) -> None:
    with open(made.folder / "rows.jsonl", "a") as file:
        file.write(json.dumps({"instruction": "New", "chosen": "a", "reject": "b"}) + "\n")
    planned = made.planned("results/comparisons/mixed/test.jsonl")
    assert planned == {"fetch_dataset": 1, "collect_comparisons": 2}
    assert Path(made.folder / "results/data/comparisons/own/source.json").is_file()
