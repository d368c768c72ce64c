"""The UltraFeedback adapter, on the shipped sample of the hub's schema and on bad files."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        fives = dict.fromkeys(ASPECTS, 5.0)
        assert python == Completion("print(2 + 3)", 5.0, fives), "empty responses left out"


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

    @pytest.mark.parametrize(
        ("fine", "overall", "expected"),
        [
            ([None, 3.9], [4.0, 9.0], [4.0, 9.0]),  # fine-grained lacks one: both by overall
            ([2.0, 3.9], [4.0, None], [2.0, 3.9]),
            ([2.0, 1.0], [4.0, 9.0], [2.0, 1.0]),
            ([2.0, None], [None, 9.0], [2.0, None]),  # no scale has both: one is unscored
            ([2.0, None, None], [None, 9.0, 8.0], [None, 9.0, 8.0]),
            ([None, None], [None, None], [None, None]),
        ],
    )
    def test_one_scale_for_all_completions_of_a_prompt(self, tmp_path, fine, overall, expected):
        """Kind: numbers of two units are compared. 4 of 10 is no better than 3.9 of 5."""
        completions = [
            {"response": f"So {k}.", "fine-grained_score": f, "overall_score": o}
            for k, (f, o) in enumerate(zip(fine, overall, strict=True))
        ]
        row = {"instruction": "Why?", "completions": completions}
        assert scores(write(tmp_path / "d.jsonl", row)) == expected

    @given(
        st.lists(
            st.tuples(st.none() | st.floats(1, 5), st.none() | st.floats(5.5, 10)),
            min_size=1,
            max_size=6,
        )
    )
    def test_scores_of_a_prompt_are_all_of_one_scale_and_as_many_as_can_be(self, pairs):
        completions = [{"fine-grained_score": f, "overall_score": o} for f, o in pairs]
        found = ultrafeedback._scores(completions)
        known = {score for score in found if score is not None}
        assert all(score <= 5 for score in known) or all(score > 5 for score in known)
        columns = list(zip(*pairs, strict=True))
        assert tuple(found) in columns
        assert found.count(None) == min(column.count(None) for column in columns)

    def test_an_empty_response_has_no_say_in_the_scale(self, tmp_path):
        completions = [
            {"response": " ", "overall_score": 1.0},
            {"response": "So.", "fine-grained_score": 3.0, "overall_score": 9.0},
        ]
        row = {"instruction": "Why?", "completions": completions}
        assert scores(write(tmp_path / "d.jsonl", row)) == [3.0]


@pytest.mark.parametrize(
    ("annotations", "ratings"),
    [
        (
            {"honesty": {"Rating": "4"}, "helpfulness": {"Rating": 2}},
            {"honesty": 4, "helpfulness": 2},
        ),
        ({"honesty": {"Rating": "N/A"}, "helpfulness": {"Rating": "1"}}, {"helpfulness": 1}),
        ({"honesty": {"Rating": "nan"}, "helpfulness": {}}, {}),
        ({"honesty": {"Rating": None}, "helpfulness": "5"}, {}),
        ({"honesty": {"Rating": True}}, {}),
        ([], {}),
        (None, {}),
    ],
)
def test_aspects_whose_rating_is_a_number(tmp_path, annotations, ratings):
    (row,) = ultrafeedback.read(write(tmp_path / "d", good(annotations=annotations)), 0.0).rows
    assert row.completions[0].ratings == ratings


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
    "half an emoji in the prompt": (
        {"instruction": "Why \ud83d?", "completions": []},
        "field 'instruction' must hold whole characters in UTF-8, found a broken one (number 5) "
        r"in 'Why \ud83d?'",
    ),
    "half an emoji in a response": (
        {"instruction": "x", "completions": [{"response": "\ude00 ha"}]},
        "field 'completions[0].response' must hold whole characters in UTF-8, found a broken one "
        r"(number 1) in '\ude00 ha'",
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

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            # "Why é?" in Latin-1: its byte is named in the field that holds it.
            (
                b"Why?",
                b"Why \xe9?",
                r"field 'instruction' must hold whole characters .*'Why \\udce9\?'",
            ),
            (b"So.", b"So \xff", r"field 'completions\[0\]\.response' must hold whole characters"),
            (b'"completions"', b"completions", r"not valid JSON \(Expecting property name"),
            (b'{"instruction"', b'\xff{"instruction"', r"not valid JSON \("),
        ],
    )
    def test_a_damaged_line_is_one_bad_row(self, tmp_path, old, new, message):
        """Kind: what is wrong in one row refuses all, although a share of bad rows is allowed."""
        path = write(tmp_path / "train.jsonl", good("a"), good("Why?"), good("b"), good("c"))
        content = path.read_bytes().splitlines(keepends=True)
        assert old in content[1]
        path.write_bytes(content[0] + content[1].replace(old, new, 1) + b"".join(content[2:]))
        data = ultrafeedback.read(path, bad_row_share=0.25)
        assert [row.prompt for row in data.rows] == ["a", "b", "c"]
        (skipped,) = data.skipped
        assert re.match(f"{re.escape(str(path))}, line 2: {message}", skipped), skipped
        with pytest.raises(store.DataError, match="1 of 4 rows do not fit"):
            ultrafeedback.read(path, bad_row_share=0.2)

    def test_damage_where_nobody_reads_is_no_damage(self, tmp_path):
        path = write(tmp_path / "train.jsonl", good("a") | {"source": "X"})
        path.write_bytes(path.read_bytes().replace(b'"X"', b'"\xff"'))
        assert len(ultrafeedback.read(path, bad_row_share=0.0).rows) == 1

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
