"""Rows of chosen and rejected responses in the public schemas: what is read, dropped and refused."""

import json
from pathlib import Path

import pytest

from prefgrid.comparisons import base, pairs
from prefgrid.files import store

DATA = {"bad_row_share": 0.0, "eval_share": 1e-6}


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict:
    return {"role": "assistant", "content": text}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path, **data: float) -> base.Sets:
    return pairs.read([path], {}, DATA | data)


SKYWORK = {
    "chosen": [user("Why?"), assistant("So.")],
    "rejected": [user("Why?"), assistant("No.")],
    "source": "magpie",
}
GPM = {"instruction": "Why?", "chosen": "So.", "reject": "No.", "label": "cycle"}
REWARD_BENCH = {"prompt": "Why?", "chosen": "So.", "rejected": "No.", "subset": "hep-go", "id": 3}
TRL = {"prompt": [user("Why?")], "chosen": [assistant("So.")], "rejected": [assistant("No.")]}
BINARIZED = SKYWORK | {"prompt": "Why?", "messages": []}


@pytest.mark.parametrize("row", [SKYWORK, GPM, REWARD_BENCH, TRL, BINARIZED])
def test_the_public_shapes_are_one_pair(tmp_path, row):
    sets = read(write(tmp_path, row))
    (found,) = [*sets.train, *sets.calibration, *sets.test]
    assert (found["prompt"], found["section"]) == ("Why?", "")
    assert [one["text"] for one in found["responses"]] == ["So.", "No."]
    assert found["comparisons"] == [{"first": 0, "second": 1, "probability": 1.0}]
    assert (sets.dropped, sets.bad_rows) == ({}, [])


def test_a_margin_is_kept_and_null_is_none(tmp_path):
    sets = read(write(tmp_path, SKYWORK | {"margin": 3}, GPM | {"margin": None}))
    edges = [row["comparisons"][0] for row in sets.train]
    assert [edge.get("margin") for edge in edges] == [3.0, None]


def both(*turns: dict) -> dict:
    return {
        "chosen": [*turns, assistant("a")],
        "rejected": [*turns, assistant("b")],
    }


DROPPED = {
    "several turns": both(user("1"), assistant("2"), user("3")),
    "system messages": both({"role": "system", "content": "Be."}, user("1")),
    "unequal prompts": SKYWORK | {"rejected": [user("What?"), assistant("No.")]},
    "equal responses": GPM | {"reject": "So."},
    "empty responses": REWARD_BENCH | {"rejected": " \n"},
    "no question and answer": {"chosen": [user("1")], "rejected": [user("1")]},
}


def test_what_cannot_be_compared_is_counted_by_its_reason(tmp_path):
    twice = [row for row in DROPPED.values() for _ in range(2)]
    sets = read(write(tmp_path, SKYWORK, *twice))
    assert sets.dropped == dict.fromkeys(DROPPED, 2)
    assert (len(sets.train), sets.bad_rows) == (1, [])


BAD = [
    ({"chosen": "a", "rejected": "b"}, "field 'prompt' must be a non-empty string, found None"),
    ({"prompt": "x", "chosen": "a"}, "field 'rejected' must be a string, found NoneType"),
    (GPM | {"instruction": 3}, "field 'instruction' must be a non-empty string, found 3"),
    (GPM | {"margin": "2"}, "field 'margin' must be a number, found str"),
    (GPM | {"margin": True}, "field 'margin' must be a number, found bool"),
    (SKYWORK | {"chosen": [user("a"), "b"]}, "field 'chosen[1].role' must be a string"),
    (
        SKYWORK | {"rejected": [user("a"), {"role": "assistant", "content": None}]},
        "field 'rejected[1].content' must be a string, found NoneType",
    ),
    (TRL | {"chosen": [{"role": "assistant", "content": "\ud83d"}]}, "a broken one (number 1)"),
]


@pytest.mark.parametrize(("row", "said"), BAD)
def test_a_bad_row_is_named_by_file_line_and_field(tmp_path, row, said):
    path = write(tmp_path, SKYWORK, row)
    (line,) = read(path, bad_row_share=0.5).bad_rows
    assert line.startswith(f"{path}, line 2: ") and said in line
    with pytest.raises(store.DataError, match="1 of 2 rows do not fit; allowed share"):
        read(path)


def test_lines_that_are_no_json_and_dropped_rows_count_in_the_share(tmp_path):
    path = write(tmp_path, SKYWORK, DROPPED["equal responses"], SKYWORK)
    path.write_text(path.read_text() + "{\n")
    sets = read(path, bad_row_share=0.25)
    assert (len(sets.train), sets.dropped) == (2, {"equal responses": 1})
    assert sets.bad_rows[0].startswith(f"{path}, line 4: not valid JSON")


def test_a_file_without_rows_is_refused(tmp_path):
    with pytest.raises(store.DataError, match="holds no rows"):
        read(write(tmp_path))
