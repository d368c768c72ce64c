"""Files: atomic writes, errors that say where."""

import json
import os
import re
from pathlib import Path

import pandas
import pytest

from prefgrid.files import formats, store


def raises(text: str):
    return pytest.raises(store.DataError, match=re.escape(text))


class TestReadJsonl:
    def test_round_trip_keeps_order_unicode_and_nulls(self, tmp_path):
        rows = [{"b": 1, "a": "Grüße 🐈\u2028"}, {"a": None, "b": [1.5, {}]}]
        store.write_jsonl(tmp_path / "rows.jsonl", rows)
        assert store.read_jsonl(tmp_path / "rows.jsonl") == rows
        assert [list(row) for row in store.read_jsonl(tmp_path / "rows.jsonl")] == [
            ["b", "a"],
            ["a", "b"],
        ]

    def test_truncated_file(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_text('{"a": 1}\n{"a": 2}\n{"a"')
        with raises(
            f"{path}, line 3: the file ends inside a line; it was cut or half copied. "
            f"Delete {path} and run again"
        ):
            store.read_jsonl(path)

    def test_truncated_where_the_cut_line_is_valid_json(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_text('{"a": 1}\n{"a": 2}')
        with raises(f"{path}, line 2: the file ends inside a line"):
            store.read_jsonl(path)

    def test_truncated_inside_a_character(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_bytes('{"a": 1}\n{"a": "é'.encode()[:-1])
        with raises(f"{path}, line 2: the file ends inside a line"):
            store.read_jsonl(path)

    def test_not_utf8(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b'{"a": 1}\n{"a": "\xe9"}\n')
        with raises(f"{path}, line 2: not valid JSON"):
            store.read_jsonl(path)

    def test_bad_json(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_text('{"a": 1}\n{a: 2}\n{"a": 3}\n')
        with raises(f"{path}, line 2: not valid JSON"):
            store.read_jsonl(path)

    def test_row_that_is_no_object(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_text('{"a": 1}\n[1]\n')
        with raises(f"{path}, line 2: expected a JSON object, found list"):
            store.read_jsonl(path)

    def test_missing_file(self, tmp_path):
        with raises(f"{tmp_path / 'rows.jsonl'}: no such file"):
            store.read_jsonl(tmp_path / "rows.jsonl")


def test_broken_json_names_file_and_line(tmp_path):
    path = tmp_path / "link.json"
    path.write_text('{"a": 1,\n "b": }')
    with pytest.raises(store.DataError, match=f"{re.escape(str(path))}: not valid JSON .*line 2"):
        store.read_json(path)


class TestAtomicWrites:
    def test_a_failure_midway_keeps_the_old_file_and_leaves_nothing(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        store.write_jsonl(path, [{"a": 1}])

        def rows():
            yield {"a": 2}
            raise RuntimeError("sampler died")

        with pytest.raises(RuntimeError):
            store.write_jsonl(path, rows())
        assert store.read_jsonl(path) == [{"a": 1}]
        assert os.listdir(tmp_path) == ["rows.jsonl"]

    def test_a_number_json_does_not_know_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="JSON compliant"):
            store.write_jsonl(tmp_path / "rows.jsonl", [{"reward": float("nan")}])
        assert os.listdir(tmp_path) == []

    def test_a_reader_of_the_old_file_keeps_it_whole(self, tmp_path):
        path = tmp_path / "out.txt"
        store.write_text(path, "old and long")
        with open(path) as reader:
            store.write_text(path, "new")
            assert reader.read() == "old and long"
        assert path.read_text() == "new"

    def test_nothing_is_visible_before_the_end(self, tmp_path):
        path = tmp_path / "deep" / "out.txt"
        with store.replacing(path) as temporary:
            temporary.write_text("half")
            assert not path.exists()
            assert temporary.parent == path.parent, "a rename must not cross file systems"
        assert path.read_text() == "half"
        assert os.listdir(path.parent) == ["out.txt"]

    @pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
    def test_colleagues_may_read_what_the_umask_allows(self, tmp_path, umask, mode):
        """Some libraries write through private temporary files, of mode 600."""
        path = tmp_path / "model.safetensors"
        before = os.umask(umask)
        try:
            with store.replacing(path) as temporary:
                temporary.write_text("weights")
                temporary.chmod(0o600)
            assert os.umask(umask) == umask, "the mask itself stays"
        finally:
            os.umask(before)
        assert path.stat().st_mode & 0o777 == mode

    @pytest.mark.parametrize("writer", [store.write_csv, store.write_parquet])
    def test_frames(self, tmp_path, writer):
        class Broken(pandas.DataFrame):
            def to_csv(self, path, **_):
                Path(path).write_text("half")
                raise OSError("disk full")

            to_parquet = to_csv

        path = tmp_path / "frame"
        writer(path, pandas.DataFrame({"a": [1]}))
        before = path.read_bytes()
        with pytest.raises(OSError, match="disk full"):
            writer(path, Broken({"a": [2]}))
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["frame"]

    def test_csv_leaves_missing_values_empty(self, tmp_path):
        store.write_csv(tmp_path / "t.csv", pandas.DataFrame({"a": [1.5, None], "b": ["x", "y"]}))
        assert (tmp_path / "t.csv").read_text() == "a,b\n1.5,x\n,y\n"


def test_json_refuses_what_json_has_no_number_for(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        store.write_json(tmp_path / "a.json", {"score": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_canonical_json_is_one_text_per_value():
    text = formats.canonical_json({"b": 1, "a": [1.0, "é", None, {"d": True, "c": 1.0e-5}]})
    assert text == '{"a":[1.0,"é",null,{"c":1e-05,"d":true}],"b":1}'
    assert json.loads(text) == {"a": [1.0, "é", None, {"c": 1e-5, "d": True}], "b": 1}
    with pytest.raises(ValueError):
        formats.canonical_json(float("inf"))


def test_sha256_file(tmp_path):
    """The FIPS 180-4 example "abc"."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert store.sha256_file(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_progress_lines_go_to_standard_error(capsys):
    store.log("3 of 4")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\] 3 of 4\n", captured.err)
