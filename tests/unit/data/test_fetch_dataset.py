"""Fetching a dataset: what of a source reaches the one file, and what is said if it cannot be had."""

import datetime
import gzip
import importlib.util
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from prefgrid.data import ultrafeedback
from prefgrid.files import store

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPTS = REPOSITORY / "workflow_scripts"
SAMPLE = REPOSITORY / "resources" / "ultrafeedback_sample.jsonl"
FIELDS = ultrafeedback.FIELDS


@pytest.fixture
def fetching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with a cache of its own."""
    path = SCRIPTS / "worlds" / "fetch_dataset.py"
    spec = importlib.util.spec_from_file_location("fetch_dataset", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("HF_DATASETS_CACHE", "DOWNLOADED_DATASETS_PATH", "EXTRACTED_DATASETS_PATH"):
        monkeypatch.setattr(module.datasets.config, name, str(tmp_path / "cache"))
    return module


def good(prompt: str, **completion: object) -> dict:
    return {"instruction": prompt, "completions": [{"response": "So.", **completion}]}


def write(path: Path, *rows: dict) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def fetch(fetching: ModuleType, source: Path, fields: tuple[str, ...] = FIELDS) -> Path:
    """The file that the script makes of a source."""
    path = source.parent / "fetched.jsonl"
    path.write_bytes(b"".join(fetching.fetched(str(source), None, "train", fields)[0]))
    return path


def test_the_sample_passes_through(tmp_path, fetching):
    source = tmp_path / "sample.jsonl"
    source.write_bytes(SAMPLE.read_bytes())
    path = fetch(fetching, source)
    assert ultrafeedback.read(path, 0.0) == ultrafeedback.read(SAMPLE, 0.0)
    assert {tuple(row) for row in store.read_jsonl(path)} == {FIELDS}


def test_columns_that_nobody_reads_may_hold_anything(tmp_path, fetching):
    """Kind: a value that JSON lacks in a column that no reader asks for. In JSON lines pyarrow takes
    the texts for timestamps; in a table they are dates, bytes, pictures, decimals, durations."""
    rows = [good(f"{k}") for k in range(3)]
    dated = [row | {"created": f"2024-05-0{k + 1}T12:00:00"} for k, row in enumerate(rows)]
    found = fetch(fetching, write(tmp_path / "a" / "dated.jsonl", *dated))
    assert store.read_jsonl(found) == rows
    others = {
        "created": [datetime.datetime(2024, 5, day) for day in (1, 2, 3)],
        "day": [datetime.date(2024, 5, day) for day in (1, 2, 3)],
        "took": [datetime.timedelta(seconds=second) for second in (1, 2, 3)],
        "raw": [b"\xff", b"", b"x"],
        "price": [Decimal("1.5"), None, Decimal("2.5")],
        # No picture at all: whoever decoded it would fail.
        "picture": [{"bytes": b"broken", "path": None}] * 3,
    }
    datasets = fetching.datasets
    table = datasets.Dataset.from_dict(
        {name: [row[name] for row in rows] for name in FIELDS} | others
    ).cast_column("picture", datasets.Image())
    table.to_parquet(tmp_path / "b.parquet")
    assert store.read_jsonl(fetch(fetching, tmp_path / "b.parquet")) == rows


def test_what_json_lacks_inside_a_needed_column_is_null(tmp_path, fetching):
    """NaN where the hub lacks a score, a date, bytes; a decimal is a number. What is then missing is
    a misfit of its row, with file, line and field."""
    nan, day = float("nan"), datetime.datetime(2024, 5, 1)
    first = {"response": "a", "fine-grained_score": nan, "overall_score": Decimal("7.5"), "at": day}
    second = {"response": "b", "fine-grained_score": nan, "overall_score": None, "at": None}
    rows = [
        {"instruction": "x", "completions": [first]},
        {"instruction": "y", "completions": [second]},
    ]
    fetching.datasets.Dataset.from_list(rows).to_parquet(tmp_path / "a.parquet")
    found = fetch(fetching, tmp_path / "a.parquet")
    assert store.read_jsonl(found)[0]["completions"][0] == {
        **{"response": "a", "fine-grained_score": None, "overall_score": 7.5, "at": None},
    }
    data = ultrafeedback.read(found, 0.0)
    assert [row.completions[0].score for row in data.rows] == [7.5, None]

    table = {"instruction": [day, day], "completions": [[{"response": "a"}]] * 2}
    fetching.datasets.Dataset.from_dict(table).to_parquet(tmp_path / "b.parquet")
    found = fetch(fetching, tmp_path / "b.parquet")
    with pytest.raises(store.DataError, match="2 of 2 rows .*line 1: field 'instruction' must be"):
        ultrafeedback.read(found, 0.5)


@pytest.mark.parametrize("shape", ["file", "folder", "gzip"])
def test_one_bad_row_of_json_lines_stays_one_bad_row(tmp_path, fetching, shape):
    """Kind: a reader of whole files refuses all of it for one row: a byte that is not UTF-8, half an
    emoji, broken JSON, a list, nesting without end, another type than the rows before it has."""
    broken = [
        b'{"instruction": "caf\xe9", "completions": []}',
        b'{"instruction": "\\ud83d", "completions": []}',
        b'{"instruction": "x", "completions": [}',
        b"[1, 2]",
        b'{"instruction": "x", "completions": ' + b"[" * 700 + b"]" * 700 + b"}",
        b'{"instruction": 7, "completions": []}',
        b'{"instruction": "x", "completions": "y"}',
        b'{"instruction": "x"}',
    ]
    good_lines = [
        json.dumps(good(f"Grüße {k} 🙂", n=k), ensure_ascii=False).encode() for k in range(2)
    ]
    text = b"\n".join(
        [b"\xef\xbb\xbf" + good_lines[0], *broken, b"", good_lines[1]]
    )  # no last newline
    folder = tmp_path / "source"
    folder.mkdir()
    source = folder / "train.jsonl"
    source.write_bytes(text)
    if shape == "gzip":
        source = folder / "train.jsonl.gz"
        source.write_bytes(gzip.compress(text))
    found = fetch(fetching, folder if shape == "folder" else source)
    data = ultrafeedback.read(found, bad_row_share=0.8)
    assert [row.prompt for row in data.rows] == ["Grüße 0 🙂", "Grüße 1 🙂"]
    said = [line.removeprefix(f"{found}, ") for line in data.skipped]
    assert [line.partition(":")[0] for line in said] == [f"line {k}" for k in range(2, 10)]
    for line, words in zip(
        said,
        [
            "field 'instruction' must hold whole characters",
            "field 'instruction' must hold whole characters",
            "not valid JSON",
            "expected a JSON object, found list",
            "field 'completions[0].response' must be a string, found NoneType",
            "field 'instruction' must be a non-empty string, found 7",
            "field 'completions' must be a list, found str",
            "field 'completions' must be a list, found NoneType",
        ],
        strict=True,
    ):
        assert words in line


@pytest.mark.parametrize(
    "broken", [b"<html>", b'"x"', b'\xff{"instruction": 1}', b'{"instruction":', b"[1, 2]"]
)
def test_a_bad_first_line_is_one_bad_row_too(tmp_path, fetching, broken):
    """Kind: what a file is, is judged by its first line, and that is the bad one."""
    source = write(tmp_path / "train.jsonl", good("a"), good("b"))
    source.write_bytes(broken + b"\n" + source.read_bytes())
    data = ultrafeedback.read(fetch(fetching, source), bad_row_share=0.4)
    assert [row.prompt for row in data.rows] == ["a", "b"]
    assert len(data.skipped) == 1 and ", line 1: " in data.skipped[0]


def test_a_bad_entry_of_an_array_is_one_bad_row(tmp_path, fetching):
    """A byte that is not UTF-8, half an emoji, both side by side, another type."""
    rows = [json.dumps(good(prompt)) for prompt in ("a", "b")]
    broken = [
        b'{"instruction": "caf\xe9", "completions": []}',
        b'{"instruction": "pr\\ud83dmpt", "completions": []}',
        b'{"instruction": "x\\ud83d\x80y", "completions": []}',
        b"7",
    ]
    entries = [rows[0].encode(), *broken, rows[1].encode()]
    source = tmp_path / "train.json"
    source.write_bytes(b"[" + b",\n".join(entries) + b"]")
    data = ultrafeedback.read(fetch(fetching, source), bad_row_share=0.7)
    assert [row.prompt for row in data.rows] == ["a", "b"]
    assert [said.rpartition("line ")[2][0] for said in data.skipped] == ["2", "3", "4", "5"]


def test_a_bad_byte_behind_half_an_emoji_makes_no_letter(tmp_path, fetching):
    """Kind: two halves of characters, each a mistake, that written side by side are one character."""
    source = write(tmp_path / "train.jsonl", good("a"))
    with source.open("ab") as file:
        file.write(b'{"instruction": "x\\ud83d\x80y", "completions": [], "extra": 1}\n')
    data = ultrafeedback.read(fetch(fetching, source), bad_row_share=0.5)
    assert [row.prompt for row in data.rows] == ["a"]
    assert "field 'instruction' must hold whole characters" in data.skipped[0]


def test_other_files_still_go_through_datasets(tmp_path, fetching):
    """A split of a folder of tables; not a JSON array, which is read entry by entry."""
    rows = [good("a"), good("b")]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    assert store.read_jsonl(fetch(fetching, tmp_path / "a.json")) == rows
    (tmp_path / "tables").mkdir()
    for name in ("train", "test"):
        table = fetching.datasets.Dataset.from_list([good(name)])
        table.to_parquet(tmp_path / "tables" / f"{name}-00000-of-00001.parquet")
    assert store.read_jsonl(fetch(fetching, tmp_path / "tables")) == [good("train")]


@pytest.mark.parametrize("name", ["p[12].jsonl", "p?.jsonl", "p*.parquet"])
def test_a_path_is_no_pattern(tmp_path, fetching, name):
    """Kind: other files than the one that is named are read, without a word."""
    for file, prompt in ((name, "a"), ("p1" + Path(name).suffix, "other")):
        table = fetching.datasets.Dataset.from_list([good(prompt)])
        save = table.to_parquet if file.endswith("parquet") else table.to_json
        save(str(tmp_path / file))
    found = fetch(fetching, tmp_path / name)
    assert [row["instruction"] for row in store.read_jsonl(found)] == ["a"]


def refusal(fetching: ModuleType, source: Path, revision: str | None, split: str) -> str:
    with pytest.raises(ValueError) as caught:
        list(fetching.fetched(str(source), revision, split, FIELDS)[0])
    return str(caught.value)


def test_what_local_files_do_not_have_is_refused(tmp_path, fetching):
    """Kind: a wish that is passed over, so that other rows are read than were asked for."""
    source = write(tmp_path / "d[1]" / "train.jsonl", good("a"), good("b"))
    assert "has no such split; allowed: train" in refusal(fetching, source, None, "train[:1]")
    assert "have no revision; leave it null" in refusal(fetching, source, "abc", "train")
    assert "for a pattern; rename the folder" in refusal(fetching, source.parent, None, "train")
    write(tmp_path / "a.csv", good("a"))
    assert "a file of another kind. Allowed: " in refusal(
        fetching, tmp_path / "a.csv", None, "train"
    )
    fetching.datasets.Dataset.from_list([good("a")]).save_to_disk(tmp_path / "saved")
    assert "Dataset.save_to_disk" in refusal(fetching, tmp_path / "saved", None, "train")
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(source.read_bytes())[:-9])
    assert "cannot get dataset" in refusal(fetching, cut, None, "train")


def test_the_split_of_a_folder_is_what_is_asked(tmp_path, fetching):
    source = write(tmp_path / "data" / "train.jsonl", good("a"), good("b"))
    rows = list(fetching.fetched(str(source.parent), None, "train[:1]", FIELDS)[0])
    assert [json.loads(row)["instruction"] for row in rows] == ["a"]


@pytest.mark.parametrize("file", ["train.jsonl", "train.parquet"])
@pytest.mark.parametrize("digits", ["0123456789" * 4, None], ids=["hub", "here"])
def test_the_commit_of_the_hub_stands_beside_the_data(
    tmp_path, fetching, monkeypatch, file, digits
):
    """The hub is a folder here: `datasets` knows a commit as its builder's hash, and files by it, so a
    branch is looked up once, and all rows are of that commit."""
    table = fetching.datasets.Dataset.from_list([good("a")])
    (tmp_path / "hub").mkdir()
    save = table.to_parquet if file.endswith("parquet") else table.to_json
    save(str(tmp_path / "hub" / file))
    load, asked = fetching.datasets.load_dataset_builder, []

    def load_from_hub(source, revision):
        asked.append((source, revision))
        builder = load(str(tmp_path / "hub"))
        assert not fetching.commit_of(builder)
        builder.hash = digits or builder.hash
        return builder

    monkeypatch.setattr(fetching.datasets, "load_dataset_builder", load_from_hub)
    source, revision = ("lab/pairs", "main") if digits else (str(tmp_path / "hub"), None)
    spec = {"source": source, "revision": revision, "split": "train", "fields": list(FIELDS)}
    outputs = {"data": tmp_path / "out" / "train.jsonl"}
    fetching.main(SimpleNamespace(spec=spec, outputs=outputs))
    assert [row["instruction"] for row in store.read_jsonl(outputs["data"])] == ["a"]
    found = store.read_json(tmp_path / "out" / "source.json")
    assert found == {"source": source, "revision": revision, "commit": digits}
    assert asked == [(source, revision)]


def test_a_cut_file_is_an_error(tmp_path, fetching):
    source = write(tmp_path / "train.jsonl", good("a"), good("b"))
    source.write_text(source.read_text()[:-9])
    with pytest.raises(store.DataError, match="line 2: the file ends inside a line"):
        fetch(fetching, source)


def test_a_source_of_another_schema_is_refused(tmp_path, fetching):
    source = write(tmp_path / "a.jsonl", {"instruction": "a", "answer": "b"})
    with pytest.raises(
        ValueError, match=r"has no column completions \(it has instruction, answer\)"
    ):
        fetch(fetching, source)
    fetching.datasets.Dataset.from_dict({"instruction": ["a"]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"has no column completions \(it has instruction\)"):
        fetch(fetching, tmp_path / "a.parquet")


def test_optional_columns_are_kept_where_they_are(tmp_path, fetching):
    """As rows have them in JSON; as the file has them in a table."""
    rows = [{"a": 1, "b": None, "x": 4}, {"a": 2, "x": 4}, {"a": 3, "b": 5, "c": 6}]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = fetching.fetched(str(source), None, "train", ["a"], ["b", "c", "d"])[0]
    found = [{"a": 1, "b": None}, {"a": 2}, {"a": 3, "b": 5, "c": 6}]
    assert [json.loads(line) for line in made] == found
    table = tmp_path / "rows.parquet"
    fetching.datasets.Dataset.from_list([rows[0], rows[1] | {"b": 3}]).to_parquet(table)
    made = fetching.fetched(str(table), None, "train", ["a"], ["b", "c"])[0]
    assert [json.loads(line) for line in made] == [{"a": 1, "b": None}, {"a": 2, "b": 3}]


def test_a_source_that_cannot_be_had_is_explained(tmp_path, fetching):
    source = str(tmp_path / "nowhere")
    with pytest.raises(ValueError) as caught:
        fetching.fetched(source, "abc", "train", FIELDS)
    message = str(caught.value)
    assert f"cannot get dataset {source!r} at revision 'abc', split 'train': " in message
    assert "Allowed: a hub id" in message


def test_unreachable_dataset_is_named(tmp_path: Path) -> None:
    output = tmp_path / "train.jsonl"
    spec = '{"source": "nobody/none", "revision": "main", "split": "train", "fields": []}'
    done = subprocess.run(
        [sys.executable, "worlds/fetch_dataset.py", "--data", str(output), "--spec", spec],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(SCRIPTS)},
    )
    assert done.returncode == 1
    assert "cannot get dataset 'nobody/none' at revision 'main'" in done.stderr
    assert "Allowed: a hub id 'owner/name'" in done.stderr
    assert not output.exists()
