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
    table = grid.read_grid(paths)
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
    pandas.testing.assert_frame_equal(grid.read_grid([path]), frame.assign(seed=7))


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
        grid.read_grid([path])
