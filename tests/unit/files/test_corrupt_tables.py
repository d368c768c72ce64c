"""Tables that jobs made: a reader gives exactly what was made, or names the file in one line."""

import hashlib
import re
from pathlib import Path

import made_up
import pandas
import pytest
import synthetic_single_index as single
import synthetic_study as study
from corruptions import any_damage, damaged, damaged_fields
from file_contracts import EXAMPLES, read_or_named
from hypothesis import given

from prefgrid.files import artifacts, grid, reading, store

SCRIPTS = Path(__file__).resolve().parents[3] / "workflow_scripts"
CELL = {"methods": ["dpo"], "seeds": (0,), "shifts": (0.0,)}
AGAIN = "; delete it and run again; snakemake then makes it anew"


def tables() -> dict[str, pandas.DataFrame]:
    samples = study.samples(sizes=(500,), betas=(0.5, 1.0), prompts=study.PROMPTS[:6], **CELL)
    curves = single.curves(**CELL)
    return {
        "samples.parquet": samples,
        "evaluation.csv": study.evaluations(samples),
        "reference_samples.parquet": study.reference_samples(1)[:6],
        "indices.parquet": study.indices(pairs=6, **CELL),
        "metrics.jsonl": study.metrics(steps=4, **CELL),
        "curves.parquet": curves,
        "links.parquet": single.links_table(**CELL)[:6],
        "runs.csv": single.runs(curves),
        "no_differences.csv": pandas.DataFrame({"method": [], "difference": []}),
    }


TABLES = tables()


def write(path: Path, frame: pandas.DataFrame) -> bytes:
    """A table with its record, as its job left it."""
    if path.suffix == ".jsonl":
        store.write_jsonl(path, frame.to_dict("records"))
    else:
        {".csv": store.write_csv, ".parquet": store.write_parquet}[path.suffix](path, frame)
    made_up.record(path, script="tabulate")
    return path.read_bytes()


def read(path: Path) -> pandas.DataFrame:
    store._sha256.cache_clear()  # where a kernel's clock is coarse, two damages may look alike
    return reading.read_table(path)


@pytest.mark.parametrize("name", TABLES)
def test_every_damage_of_every_table_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    sound = write(path, TABLES[name])
    made = read(path)
    pandas.testing.assert_frame_equal(made, TABLES[name], check_dtype=False)

    @EXAMPLES
    @given(damaged(sound))
    def check(content: bytes) -> None:
        found = read_or_named(path, content, read, "is not the file that tabulate made")
        assert (found is None) == (content != sound)
        assert found is None or found.equals(made)

    check()


def test_every_damage_of_a_record_is_found_or_is_none_to_the_table(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    content = write(path, TABLES["runs.csv"])
    made, (_, place) = read(path), artifacts.record_places(path)

    @EXAMPLES
    @given(any_damage(place.read_bytes(), damaged_fields))
    def check(record: bytes) -> None:
        place.write_bytes(record)
        found = read_or_named(path, content, read, "record")
        assert found is None or found.equals(made)

    check()


def test_files_of_two_cells_cannot_be_swapped(tmp_path: Path) -> None:
    one, other = (tmp_path / f"seed={seed}" / "runs.csv" for seed in (0, 1))
    write(one, TABLES["runs.csv"])
    write(other, TABLES["runs.csv"].assign(seed=1))
    one.rename(tmp_path / "kept")
    other.rename(one)
    (tmp_path / "kept").rename(other)
    for path in (one, other):
        with pytest.raises(store.DataError, match=re.escape(f"{path}: is not the file that")):
            grid.read_cells([path])


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"

    def refused() -> str:
        with pytest.raises(store.DataError) as caught:
            read(path)
        return str(caught.value).removeprefix(f"{path}: ")

    assert refused() == "no such file"
    store.write_text(path, "a,b\n1,2\n")
    assert refused() == f"has no _provenance.json beside it, as every job leaves one{AGAIN}"
    place = made_up.record(path, script="tabulate")
    path.write_text("a,b\n1,3\n")
    made = "is not the file that tabulate made: its bytes differ from its record"
    assert refused() == made + AGAIN
    path.rename(tmp_path / "other.csv")
    made_up.record(tmp_path / "other.csv")
    store.write_text(path, "a,b\n1,2\n")
    assert refused() == f"is not among the files that {place} records{AGAIN}"
    place.write_text("{")
    assert refused().startswith(f"has a damaged record ({place}: not valid JSON")
    assert refused().endswith(AGAIN)


def test_in_a_shared_folder_the_record_has_the_name_of_the_table(tmp_path: Path) -> None:
    """Beside it the folder's own, of an older job, may still lie."""
    path = tmp_path / "runs.csv"
    shared, own = artifacts.record_places(path)
    shared.parent.mkdir()
    sound = write(path, TABLES["runs.csv"])
    own.rename(shared)
    write(path, TABLES["runs.csv"][:1])
    path.write_bytes(sound)
    assert len(read(path)) == len(TABLES["runs.csv"])
    path.write_bytes(sound + b"\n")
    with pytest.raises(store.DataError, match="is not the file that tabulate"):
        read(path)


@pytest.mark.parametrize("name", ["runs.csv", "samples.parquet", "metrics.jsonl"])
def test_columns_are_those_asked_for_in_that_order(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, TABLES[name])
    found = reading.read_table(tmp_path / name, ["seed", "method"])
    assert list(found) == ["seed", "method"] and len(found) == len(TABLES[name])
    with pytest.raises(store.DataError, match=rf"{name}: it lacks columns: .*nowhere"):
        reading.read_table(tmp_path / name, ["seed", "nowhere"])


def test_a_file_is_hashed_once_a_process_and_again_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed, digest = [], hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, kind: (hashed.append(file.name), digest(file, kind))[1]
    )
    path = tmp_path / "runs.csv"
    write(path, TABLES["runs.csv"])
    for _ in range(3):
        reading.read_table(path)
    assert hashed == [str(path)]
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(store.DataError):
        reading.read_table(path)
    assert hashed == [str(path)] * 2


def test_nothing_reads_a_table_past_its_record() -> None:
    reads = re.compile(r"\b(read_csv|read_parquet|ParquetFile|parquet\.read_table)\(")
    found = {path.name for path in SCRIPTS.rglob("*.py") if reads.search(path.read_text())}
    assert found == {"formats.py"}
