"""Grids: files of many cells as one table, their folders as typed columns."""

import re

import made_up
import pandas
import pytest

from prefgrid.files import grid, reading, records, store


def test_folders_become_typed_columns(tmp_path):
    paths = []
    for seed, shift in ((0, "0.0"), (1, "4.0")):
        paths.append(tmp_path / f"method=dpo/seed={seed}/shift={shift}/n=500/evaluation.csv")
        store.write_csv(paths[-1], pandas.DataFrame({"beta": [0.5, 1.0], "seed": seed + 10}))
        made_up.record(paths[-1])
    table = grid.read_cells(paths)
    assert list(table["method"]) == ["dpo"] * 4
    assert list(table["shift"]) == [0.0, 0.0, 4.0, 4.0] and table["shift"].dtype == "float64"
    assert list(table["n"]) == [500] * 4 and table["n"].dtype == "int64"
    assert list(table["seed"]) == [10, 10, 11, 11], "the file's own column stays"
    assert list(table.index) == [0, 1, 2, 3]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_every_format(tmp_path, suffix):
    path = tmp_path / f"seed=7/table{suffix}"
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    if suffix == ".jsonl":
        store.write_jsonl(path, frame.to_dict("records"))
    else:
        {".csv": store.write_csv, ".parquet": store.write_parquet}[suffix](path, frame)
    made_up.record(path)
    pandas.testing.assert_frame_equal(grid.read_cells([path]), frame.assign(seed=7))


def test_lines_from_anywhere_are_held_to_their_type(tmp_path):
    path = tmp_path / "seed=7" / "prompts.jsonl"
    rows = [{"prompt_id": f"{number:016x}", "prompt": "tell"} for number in range(2)]
    store.write_jsonl(path, rows)
    assert reading.read_jsonl(path, records.Prompt) == rows
    store.write_jsonl(path, [rows[0], {"prompt_id": "x", "prompt": "tell"}])
    with pytest.raises(store.DataError, match=re.escape(f"{path}, line 2: field 'prompt_id'")):
        reading.read_jsonl(path, records.Prompt)


def test_missing_cell_is_named(tmp_path):
    path = tmp_path / "seed=0" / "evaluation.csv"
    with pytest.raises(store.DataError, match=re.escape(f"{path}: no such file")):
        grid.read_cells([path])


def make(path, **columns):
    store.write_csv(path, pandas.DataFrame(columns))
    made_up.record(path)


@pytest.fixture
def results(tmp_path):
    """Of a run in a folder that looks like a cell's; with what is no finished cell's table."""
    root = tmp_path / "run=7" / "results"
    for seed in (0, 1):
        cell = f"method=dpo/seed={seed}/shift=4.0"
        make(root / f"toy/evaluations/{cell}/evaluation.csv", beta=[0.5, 1.0], reward=[seed, 2.0])
        make(root / f"toy/policies/{cell}/other.csv", loss=[0.1])
    make(root / "toy/tables/evaluation.csv", beta=[9.0])
    make(root / "toy/evaluations/method=dpo/seed=0/.partial-1/evaluation.csv", beta=[9.0])
    return root


@pytest.mark.parametrize("below", ["", "toy", "toy/evaluations", "toy/evaluations/method=dpo"])
def test_a_folder_is_read_as_the_grid_in_it(results, below, monkeypatch):
    """From the run's own down to a part of a grid; keys are the cell's, whole, and no folder's above."""
    table = grid.read_grid(results / below)
    assert list(table.columns) == ["beta", "reward", "method", "seed", "shift"]
    assert table["seed"].tolist() == [0, 0, 1, 1] and table["reward"].tolist() == [0, 2, 1, 2]
    assert table["shift"].tolist() == [4.0] * 4 and set(table["method"]) == {"dpo"}
    monkeypatch.chdir(results / below)
    pandas.testing.assert_frame_equal(grid.read_grid("."), table)


def test_another_table_is_named_and_a_wrong_one_refused(results):
    assert grid.read_grid(results, "other.csv")["loss"].tolist() == [0.1, 0.1]
    with pytest.raises(store.DataError, match=r"'runs.csv'; there are: evaluation.csv, other.csv$"):
        grid.read_grid(results, "runs.csv")
    with pytest.raises(store.DataError, match="there are: none$"):
        grid.read_grid(results / "nowhere")


def test_several_grids_are_not_mixed(results):
    make(results / "toy_2/evaluations/seed=0/evaluation.csv", beta=[0.5])
    with pytest.raises(store.DataError, match=r"several grids.*: toy/evaluations, toy_2/evaluat"):
        grid.read_grid(results)
    assert len(grid.read_grid(results / "toy_2")) == 1
