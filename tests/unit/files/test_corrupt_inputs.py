"""Damaged files of every kind: a reader gives what its contract says, or names the file.

The contracts here are spelled out by hand and know nothing of the types that the readers use.
"""

import json
import math
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from corruptions import any_damage, damaged_fields, damaged_lines, places, wrong_values
from file_contracts import (
    EXAMPLES,
    IDS,
    are_tokens,
    is_count,
    is_id,
    is_number,
    is_text,
    read_or_named,
)
from hypothesis import given
from hypothesis import strategies as st

from prefgrid.config.merging import merged
from prefgrid.data import instructions, ultrafeedback
from prefgrid.files import measured_records, reading, records, store
from prefgrid.models import checking
from prefgrid.plan.load import Config, ConfigError, load

REPOSITORY = Path(__file__).resolve().parents[3]
LOG_PROBS = ("token_logps", "sampling_token_logps")


def prompt(number: int) -> dict:
    return {"prompt_id": IDS[number], "prompt": f"Grüße, fox {number}"}


def group(number: int) -> dict:
    """Of as many responses as its number says, and one more."""
    row = {"group": number, **prompt(number), "prompt_tokens": [5, 6, 7 + number]}
    responses = [{"text": f"it ran {k}", "tokens": [9, 8 + k, 1]} for k in range(number + 1)]
    return row | {"responses": [one | {"finish": "stop"} for one in responses]}


def scored(number: int) -> dict:
    row = group(number)
    return row | {"responses": [one | {"reward": -1.25 * number} for one in row["responses"]]}


def told(number: int) -> dict:
    """A group with the log-probabilities of its tokens."""
    row = group(number)
    logps = {name: [-0.5, -1.0 - number, 0.0] for name in LOG_PROBS}
    return row | {"responses": [one | logps for one in row["responses"]]}


def measured(number: int) -> dict:
    """A group of held-out samples: of the base, of an average, of an iterate."""
    row = group(number)
    kl = dict([("base", 0.75), ("previous", 0.25)][:number])
    measures = {"entropy_nats": 1.5 + number, "kl_nats": kl}
    return row | {"responses": [one | measures for one in row["responses"]]}


def preference(number: int) -> dict:
    row = {"pair": number, **prompt(number), "prompt_tokens": [5, 6, 7 + number]}
    row |= {f"response_{k}": f"it ran {k}" for k in range(2)}
    row |= {f"tokens_{k}": [9, 8 + k, 1] for k in range(2)}
    row |= {"finish_0": "stop", "finish_1": "length"}
    row |= {"reward_0": 0.5, "reward_1": -1.25 * number}
    return row | {"z": number % 2, "reward_diff": 0.75, "reward_scale": 2.5}


def lines(make: Callable[[int], dict]) -> bytes:
    return "".join(json.dumps(make(k), ensure_ascii=False) + "\n" for k in range(3)).encode()


def whole(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def is_prompt(row: Any) -> bool:
    return is_id(row["prompt_id"]) and is_text(row["prompt"])


def is_response(one: Any) -> bool:
    return (
        is_text(one["text"]) and are_tokens(one["tokens"]) and one["finish"] in ("stop", "length")
    )


def is_group(row: Any) -> bool:
    own = is_prompt(row) and is_count(row["group"]) and are_tokens(row["prompt_tokens"])
    return own and len(row["responses"]) > 0 and all(map(is_response, row["responses"]))


def is_told(row: Any) -> bool:
    return is_group(row) and all(
        isinstance(one[name], list)
        and len(one[name]) == len(one["tokens"])
        and all(map(is_number, one[name]))
        for one in row["responses"]
        for name in LOG_PROBS
        if name in one
    )


def is_scored(row: Any) -> bool:
    return is_group(row) and all(is_number(one["reward"]) for one in row["responses"])


def is_measured(row: Any) -> bool:
    return is_group(row) and all(
        is_number(one["entropy_nats"])
        and set(one["kl_nats"]) <= {"base", "previous"}
        and all(map(is_number, one["kl_nats"].values()))
        for one in row["responses"]
    )


def is_preference(row: Any) -> bool:
    own = is_prompt(row) and is_count(row["pair"]) and are_tokens(row["prompt_tokens"])
    responses = all(
        is_text(row[f"response_{k}"])
        and are_tokens(row[f"tokens_{k}"])
        and row[f"finish_{k}"] in ("stop", "length")
        and is_number(row[f"reward_{k}"])
        for k in range(2)
    )
    scale = is_number(row["reward_scale"]) and row["reward_scale"] > 0
    label = type(row["z"]) is int and row["z"] in (0, 1)
    return own and responses and label and is_number(row["reward_diff"]) and scale


JSON_LINES = {
    "prompts": (prompt, records.Prompt, "prompt_id", is_prompt),
    "responses": (group, records.Group, "group", is_group),
    "responses with log-probabilities": (told, records.Group, "group", is_told),
    "rewards": (scored, records.ScoredGroup, "group", is_scored),
    "held-out samples": (measured, measured_records.MeasuredGroup, "group", is_measured),
    "preferences": (preference, records.Preference, "pair", is_preference),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@pytest.mark.parametrize("name", JSON_LINES)
def test_json_lines(folder: Path, name: str) -> None:
    make, kind, key, holds = JSON_LINES[name]
    sound, path = lines(make), folder / f"{name}.jsonl"

    def read(path: Path) -> list[dict]:
        return reading.read_jsonl(path, kind, key=key)

    assert len(read_or_named(path, sound, read)) == 3

    @EXAMPLES
    @given(any_damage(sound, damaged_lines, damaged_fields))
    def check(content: bytes) -> None:
        rows = read_or_named(path, content, read, r"line \d+")
        if rows is not None:
            assert rows and all(map(holds, rows))
            assert len({row[key] for row in rows}) == len(rows)

    check()


@pytest.mark.parametrize("name", JSON_LINES)
def test_every_wrong_value_of_every_field(folder: Path, name: str) -> None:
    """None left out: hypothesis draws others wherever other modules happen to be loaded."""
    make, kind, key, holds = JSON_LINES[name]
    first, second, third = lines(make).splitlines(keepends=True)
    for wrong in wrong_values(second):
        rows = read_or_named(
            folder / f"{name}.jsonl",
            first + wrong + third,
            lambda path: reading.read_jsonl(path, kind, key=key),
            "line 2",
        )
        assert rows is None or all(map(holds, rows)), wrong[:1000]


LINK = {"sign": -1, "index_nats": [-1.5, 0.0, 1.5], "probability": [0.1, 0.5, 0.9]}
SECTION = {
    **{"id": "one", "title": "One", "question": "Why?", "how": "so"},
    **{"facts": [["World", "tiny"]], "findings": [{"heading": "h", "sentences": ["s"]}]},
    **{"figures": [{"title": "t"}], "tables": [{"title": "t"}], "samples": None},
}


def is_link(link: Any) -> bool:
    index, probability = link["index_nats"], link["probability"]
    known = probability is None or (
        len(probability) == len(index)
        and all(is_number(value) and 0 <= value <= 1 for value in probability)
    )
    increasing = all(map(is_number, index)) and all(a < b for a, b in pairwise(index))
    return (
        is_number(link["sign"])
        and abs(link["sign"]) <= 1
        and len(index) > 0
        and known
        and increasing
    )


def is_section(section: Any) -> bool:
    texts = all(is_text(section[name]) for name in ("id", "title", "question"))
    facts = all(len(fact) == 2 and all(map(is_text, fact)) for fact in section["facts"])
    parts = all(
        isinstance(section[name], list) and all(isinstance(part, dict) for part in section[name])
        for name in ("findings", "figures", "tables")
    )
    return texts and facts and parts and isinstance(section["samples"], dict | None)


QUALITY = {"reference": {"fluent": 0.5, "responses": 12}, "reward_model": {"pair_accuracy": 1.0}}


def is_quality(quality: Any) -> bool:
    return all(is_number(value) for group in quality.values() for value in group.values())


@pytest.mark.parametrize(
    ("value", "kind", "holds"),
    [
        (LINK, records.Link, is_link),
        (SECTION, records.Section, is_section),
        (QUALITY, records.Quality, is_quality),
    ],
    ids=["link", "section", "quality"],
)
def test_json_objects(folder: Path, value: dict, kind: Any, holds: Callable) -> None:
    sound, path = whole(value), folder / "object.json"
    assert read_or_named(path, sound, lambda path: reading.read_json(path, kind)) == value

    @EXAMPLES
    @given(any_damage(sound, damaged_fields))
    def check(content: bytes) -> None:
        found = read_or_named(path, content, lambda path: reading.read_json(path, kind))
        assert found is None or holds(found)

    check()


def test_ultrafeedback(folder: Path) -> None:
    completions = [
        {"response": "It ran.", "fine-grained_score": 4.5, "overall_score": 7},
        {"response": "No.", "fine-grained_score": None, "overall_score": 3.0},
    ]
    sound = lines(lambda k: {"instruction": f"Grüße {k}", "completions": completions})
    path = folder / "train.jsonl"

    def read(path: Path) -> instructions.Instructions:
        return ultrafeedback.read(path, bad_row_share=0.4)

    @EXAMPLES
    @given(any_damage(sound, damaged_lines, damaged_fields))
    def check(content: bytes) -> None:
        data = read_or_named(path, content, read, r"line \d+")
        if data is None:
            return
        assert len(data.skipped) <= 0.4 * (len(data.rows) + len(data.skipped))
        assert all(
            re.match(f"{re.escape(str(path))}, line [0-9]+: ", line) for line in data.skipped
        )
        for row in data.rows:
            assert is_text(row.prompt) and row.prompt.strip()
            for completion in row.completions:
                assert is_text(completion.response) and completion.response.strip()
                score = completion.score
                assert score is None or (type(score) is float and math.isfinite(score))

    check()


def test_a_models_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every change of any file that the manifest lists is found, whatever it is."""
    folder = tmp_path_factory.mktemp("model")
    contents = {"config.json": whole({"num_labels": 1}), "tokenizer.json": whole({"model": [1, 2]})}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    manifest = {name: store.sha256_file(folder / name) for name in contents}
    contents["manifest.json"] = whole(manifest)
    (folder / "manifest.json").write_bytes(contents["manifest.json"])
    checking.check_files(folder)

    @EXAMPLES
    @given(st.sampled_from(sorted(contents)), st.data())
    def check(name: str, data: st.DataObject) -> None:
        sound = contents[name]
        content = data.draw(any_damage(sound, damaged_fields))
        (folder / name).write_bytes(content)
        try:
            checking.check_files(folder)
        except store.DataError as error:
            assert str(folder) in str(error)
        else:
            same = content == sound
            if name == "manifest.json" and not same:  # it may be written otherwise
                same = json.loads(content) == manifest
            assert same
        finally:
            (folder / name).write_bytes(sound)

    check()


PRESETS = sorted(path.name for path in (REPOSITORY / "presets").glob("*.yaml"))
WRONG_SETTINGS = (None, True, -1, 0, 0.5, math.nan, math.inf, 10**400, "", "x", [], {}, [[]])


@pytest.fixture(scope="module")
def configurations() -> list[str]:
    """JSON of the default config, and of each preset over it."""
    default = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    changes = [yaml.safe_load((REPOSITORY / "presets" / name).read_text()) for name in PRESETS]
    return [json.dumps(merged(default, change)) for change in ({}, *changes)]


def test_configurations(configurations: list[str]) -> None:
    """One value of a config or preset turned into another: it still is one, or a ConfigError."""

    @EXAMPLES
    @given(st.sampled_from(configurations), st.sampled_from(WRONG_SETTINGS), st.data())
    def check(text: str, value: Any, data: st.DataObject) -> None:
        changed = json.loads(text)
        *parents, last = data.draw(st.sampled_from(places(changed)))
        holder = changed
        for part in parents:
            holder = holder[part]
        holder[last] = value
        try:
            assert isinstance(load(changed), Config)
        except ConfigError as error:
            assert "in the configuration" in str(error)

    check()
