"""Grids: folders of a path as typed columns, files of many cells as one table."""

import re

import pandas
import pytest

from prefgrid.files import grid, store


def test_partition_is_typed():
    path = "results/x/method=dpo_lr1e-4/seed=3/shift=0.5/n=500/shard=2/evaluation.csv"
    found = grid.partition(path)
    assert found == {"method": "dpo_lr1e-4", "seed": 3, "shift": 0.5, "n": 500, "shard": 2}
    assert isinstance(found["shift"], float) and isinstance(found["n"], int)


def test_folders_become_typed_columns(tmp_path):
    paths = []
    for seed, shift in ((0, "0.0"), (1, "4.0")):
        paths.append(tmp_path / f"method=dpo/seed={seed}/shift={shift}/n=500/evaluation.csv")
        store.write_csv(paths[-1], pandas.DataFrame({"beta": [0.5, 1.0], "seed": seed + 10}))
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
    pandas.testing.assert_frame_equal(grid.read_grid([path]), frame.assign(seed=7))


def test_a_csv_cut_inside_a_number_is_no_table(tmp_path):
    path = tmp_path / "seed=0" / "evaluation.csv"
    store.write_csv(path, pandas.DataFrame({"beta": [0.5, 1.25]}))
    path.write_bytes(path.read_bytes()[:-2])  # 1.2 is a number, too
    with pytest.raises(store.DataError, match=re.escape(f"{path}: the file ends inside a line")):
        grid.read_grid([path])


def test_missing_cell_is_named(tmp_path):
    path = tmp_path / "seed=0" / "evaluation.csv"
    with pytest.raises(store.DataError, match=re.escape(f"{path}: no such file")):
        grid.read_grid([path])
