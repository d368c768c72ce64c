"""The UltraFeedback adapter, on the shipped sample of the hub's schema and on bad files."""

import importlib.util
import json
from pathlib import Path

import pytest

from prefgrid.data import ultrafeedback
from prefgrid.data.instructions import Completion
from prefgrid.files import store

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLE = REPOSITORY / "resources" / "ultrafeedback_sample.jsonl"
TOP = ["source", "instruction", "models", "completions", "correct_answers", "incorrect_answers"]
COMPLETION = [
    *("annotations", "custom_system_prompt", "model", "principle", "response", "critique"),
    *("fine-grained_score", "overall_score"),
]
ASPECTS = {
    "helpfulness": ["Type", "Rating", "Rationale", "Rationale For Rating"],
    "honesty": ["Rating", "Rationale"],
    "instruction_following": ["Rating", "Rationale"],
    "truthfulness": ["Type", "Rating", "Rationale", "Rationale For Rating"],
}


def good(prompt: str = "Why?", **completion) -> dict:
    return {"instruction": prompt, "completions": [{"response": "So.", **completion}]}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def scores(path: Path) -> list[float | None]:
    (row,) = ultrafeedback.read(path, 0.0).rows
    return [completion.score for completion in row.completions]


def check_schema(rows: list[dict]) -> None:
    for row in rows:
        assert list(row) == TOP
        for completion in row["completions"]:
            assert list(completion) == COMPLETION
            assert {k: list(v) for k, v in completion["annotations"].items()} == ASPECTS


class TestSample:
    def test_it_has_the_hub_s_schema_and_the_awkward_cases(self):
        rows = store.read_jsonl(SAMPLE)
        check_schema(rows)
        completions = [completion for row in rows for completion in row["completions"]]
        assert any(row["completions"] == [] for row in rows)
        assert any(not completion["response"] for completion in completions)
        for field in ("fine-grained_score", "overall_score"):
            assert any(completion[field] is None for completion in completions)
        assert any(c["fine-grained_score"] is None is c["overall_score"] for c in completions)
        assert not SAMPLE.read_text().isascii()

    def test_every_row_is_read(self):
        raw = store.read_jsonl(SAMPLE)
        data = ultrafeedback.read(SAMPLE, bad_row_share=0.0)
        assert data.skipped == ()
        assert [row.prompt for row in data.rows] == [row["instruction"] for row in raw]

    def test_scores_and_their_nulls(self):
        by_prompt = {row.prompt: row for row in ultrafeedback.read(SAMPLE, 0.0).rows}
        first = by_prompt["Name three things that float on water."]
        assert [c.score for c in first.completions] == [5.0, 2.25, 4.75, 2.5], "fine-grained"
        diary = by_prompt["Give me one reason to keep a diary."]
        assert [c.score for c in diary.completions] == [7.5, 1.0], "overall, for want of the other"
        corners = by_prompt["How many corners has a ball?"]
        assert [c.score for c in corners.completions] == [None, None]
        assert by_prompt["Recite the whole telephone book of Oslo."].completions == ()
        (python,) = by_prompt["Write a line of Python that adds 2 and 3."].completions
        assert python == Completion("print(2 + 3)", 5.0), "empty responses left out"

    def test_it_passes_through_the_fetching_script(self, tmp_path, monkeypatch):
        """load_dataset → JSON lines → adapter gives what the file itself gives."""
        monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
        fetching = _script("fetch_dataset")
        monkeypatch.setattr(fetching.datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
        rows = fetching.load(str(SAMPLE), None, "train")
        assert len(rows) == 12
        store.write_jsonl(tmp_path / "train.jsonl", rows)
        check_schema(store.read_jsonl(tmp_path / "train.jsonl"))
        assert ultrafeedback.read(tmp_path / "train.jsonl", 0.0) == ultrafeedback.read(SAMPLE, 0.0)

    def test_a_source_of_another_schema_is_refused(self):
        check = _script("fetch_dataset").check_fields
        check("a/b", ["source", *ultrafeedback.FIELDS], ultrafeedback.FIELDS)
        with pytest.raises(ValueError, match=r"'a/b' has no column completions \(it has instru"):
            check("a/b", ["instruction", "answer"], ultrafeedback.FIELDS)

    def test_missing_scores_of_the_hub_become_null(self, tmp_path):
        """Parquet holds NaN where a score is missing; JSON has no such number."""
        fetching = _script("fetch_dataset")
        nan = float("nan")
        rows = [
            good(
                "a", **{"fine-grained_score": nan, "overall_score": 7.5, "annotations": {"x": nan}}
            ),
            good(
                "b", **{"fine-grained_score": nan, "overall_score": nan, "annotations": {"x": 1.0}}
            ),
        ]
        source = fetching.datasets.Dataset.from_list(rows)
        store.write_jsonl(tmp_path / "train.jsonl", map(fetching.nan_as_null, source))
        (first, second) = store.read_jsonl(tmp_path / "train.jsonl")
        assert first["completions"][0]["annotations"] == {"x": None}
        assert first["completions"][0]["overall_score"] == 7.5
        assert second["completions"][0]["fine-grained_score"] is None
        data = ultrafeedback.read(tmp_path / "train.jsonl", 0.0)
        assert [row.completions[0].score for row in data.rows] == [7.5, None]

    def test_keys_that_only_some_rows_have_become_null(self, tmp_path, monkeypatch):
        """The loader gives every struct all keys that any row has; a response may be among them."""
        fetching = _script("fetch_dataset")
        monkeypatch.setattr(fetching.datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
        path = write(
            tmp_path / "raw.jsonl",
            good("a", **{"fine-grained_score": 2.0}),
            good("b", overall_score=6.0),
            {"instruction": "c", "completions": [{"overall_score": 1.0}]},
            {"instruction": "d", "completions": None},
        )
        rows = fetching.load(str(path), None, "train")
        store.write_jsonl(tmp_path / "train.jsonl", map(fetching.nan_as_null, rows))
        data = ultrafeedback.read(tmp_path / "train.jsonl", bad_row_share=0.5)
        assert [row.completions[0].score for row in data.rows] == [2.0, 6.0]
        response, completions = data.skipped
        assert "line 3: field 'completions[0].response' must be a string" in response
        assert "line 4: field 'completions' must be a list, found NoneType" in completions

    def test_a_source_that_cannot_be_had_is_explained(self, tmp_path):
        source = str(tmp_path / "nowhere")
        with pytest.raises(ValueError) as caught:
            _script("fetch_dataset").load(source, "abc", "train")
        message = str(caught.value)
        assert f"cannot get dataset {source!r} at revision 'abc', split 'train': " in message
        assert "Allowed: a hub id" in message


def _script(name: str):
    path = REPOSITORY / "workflow_scripts" / "worlds" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestScores:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"fine-grained_score": 3.5, "overall_score": 10.0}, 3.5),
            ({"fine-grained_score": 0, "overall_score": 10.0}, 0.0),
            ({"fine-grained_score": None, "overall_score": 10}, 10.0),
            ({"overall_score": 6.5}, 6.5),
            ({"fine-grained_score": None, "overall_score": None}, None),
            ({"fine-grained_score": float("nan"), "overall_score": 2.0}, 2.0),
            ({"fine-grained_score": "N/A", "overall_score": 2.0}, 2.0),
            ({}, None),
        ],
    )
    def test_fine_grained_first_then_overall(self, tmp_path, fields, expected):
        assert scores(write(tmp_path / "d.jsonl", good(**fields))) == [expected]


BAD = {
    "no prompt": (
        {"completions": []},
        "field 'instruction' must be a non-empty string, found None",
    ),
    "null prompt": (
        {"instruction": None, "completions": []},
        "field 'instruction' must be a non-empty string, found None",
    ),
    "blank prompt": (
        {"instruction": " \n", "completions": []},
        "field 'instruction' must be a non-empty string",
    ),
    "no completions": ({"instruction": "x"}, "field 'completions' must be a list, found NoneType"),
    "completions of another kind": (
        {"instruction": "x", "completions": {"response": "y"}},
        "field 'completions' must be a list, found dict",
    ),
    "null response": (
        {"instruction": "x", "completions": [{"response": "y"}, {"response": None}]},
        "field 'completions[1].response' must be a string",
    ),
    "completion that is no object": (
        {"instruction": "x", "completions": ["y"]},
        "field 'completions[0].response' must be a string",
    ),
}


class TestBadRows:
    @pytest.mark.parametrize("kind", BAD)
    def test_named_with_file_line_and_field(self, tmp_path, kind):
        row, message = BAD[kind]
        path = write(tmp_path / "train.jsonl", good("a"), row, good("b"), good("c"))
        data = ultrafeedback.read(path, bad_row_share=0.25)
        assert [row.prompt for row in data.rows] == ["a", "b", "c"]
        (skipped,) = data.skipped
        assert skipped.startswith(f"{path}, line 2: {message}")

    def test_more_than_the_allowed_share_is_an_error(self, tmp_path):
        row, message = BAD["no prompt"]
        path = write(tmp_path / "train.jsonl", good("a"), row, row, good("b"))
        with pytest.raises(store.DataError) as caught:
            ultrafeedback.read(path, bad_row_share=0.49)
        assert "2 of 4 rows do not fit; allowed share (data.bad_row_share): 0.49" in str(
            caught.value
        )
        assert f"{path}, line 2: {message}" in str(caught.value)
        assert len(ultrafeedback.read(path, bad_row_share=0.5).skipped) == 2

    def test_a_truncated_file_is_an_error_whatever_the_share(self, tmp_path):
        path = write(tmp_path / "train.jsonl", good("a"), good("b"))
        path.write_text(path.read_text()[:-9])
        with pytest.raises(store.DataError, match="line 2: the file ends inside a line"):
            ultrafeedback.read(path, bad_row_share=1.0)

    def test_an_empty_file_is_an_error(self, tmp_path):
        with pytest.raises(store.DataError, match="holds no rows"):
            ultrafeedback.read(write(tmp_path / "train.jsonl"), bad_row_share=1.0)
