"""What a policy is trained on: rows of pairs or groups, with the targets of its objective."""

import re
from pathlib import Path

import pytest

from prefgrid.data import preferences, training
from prefgrid.files import store

COUNTS = (3, 1, 2)


def response(tokens: int, **more: object) -> dict:
    return {"text": "so", "tokens": list(range(1, tokens + 1)), "finish": "stop", **more}


def group(number: int, responses: list[dict]) -> dict:
    return {
        "group": number,
        "prompt_id": f"{number:016x}",
        "prompt": "why",
        "prompt_tokens": [5, number],
        "responses": responses,
    }


def written(folder: Path, rows: list[dict]) -> Path:
    path = folder / "data.jsonl"
    store.write_jsonl(path, rows)
    return path


@pytest.mark.parametrize(("targets", "field"), sorted(training.FIELDS.items()))
def test_a_number_a_response_whatever_their_number(tmp_path, targets, field):
    rows = [
        group(number, [response(k + 1, **{field: number + k / 4}) for k in range(count)])
        for number, count in enumerate(COUNTS)
    ]
    found = training.read(written(tmp_path, rows), targets)
    assert [row["target"] for row in found] == [[0.0, 0.25, 0.5], [1.0], [2.0, 2.25]]
    for row, data in zip(rows, found, strict=True):
        assert (data["group"], data["prompt_tokens"]) == (row["group"], row["prompt_tokens"])
        assert [one["tokens"] for one in data["responses"]] == [
            one["tokens"] for one in row["responses"]
        ]


def test_whole_numbers_become_real_ones(tmp_path):
    path = written(tmp_path, [group(0, [response(1, reward=2)])])
    [row] = training.read(path, "scores")
    assert row["target"] == [2.0] and isinstance(row["target"][0], float)


def test_without_targets_the_responses_alone(tmp_path):
    path = written(tmp_path, [group(0, [response(2)]), group(1, [response(1, reward=1.0)])])
    assert [row["target"] for row in training.read(path, "none")] == [None, None]


def test_labels_are_those_of_pairs(tmp_path):
    scored = [
        group(number, [response(2, reward=0.0), response(3, reward=(-1.0) ** number)])
        for number in range(8)
    ]
    labelled = preferences.label(scored, 8, 0.0, 1.0, seed=0)
    found = training.read(written(tmp_path, labelled), "labels")
    assert found == [row | {"sampling_logps": None} for row in preferences.groups(labelled)]
    assert {row["target"] for row in found} == {0.0, 1.0}


@pytest.mark.parametrize("found", [{}, {"reward": None}, {"reward": "high"}, {"reward": [1.0]}])
def test_a_missing_number_is_named_with_its_file_and_group(tmp_path, found):
    path = written(
        tmp_path, [group(4, [response(1, reward=1.0)]), group(9, [response(1, **found)])]
    )
    message = re.escape(f"{path}, group 9: every response needs a number 'reward'")
    with pytest.raises(store.DataError, match=message):
        training.read(path, "scores")


def test_numbers_are_those_that_the_objective_asks_for(tmp_path):
    path = written(tmp_path, [group(0, [response(1, reward=1.0)])])
    with pytest.raises(store.DataError, match="group 0: every response needs a number 'weight'"):
        training.read(path, "weights")


def test_what_responses_were_drawn_with_is_summed_where_it_is_needed(tmp_path):
    """Exactly: 1e8 and −1e8 would take the small ones with them in float32."""
    drawn = [[-0.5, -0.25], [-1e8, -(2**-20), 1e8], [0.0]]
    responses = [
        response(
            len(logps), reward=1.0, sampling_token_logps=logps, token_logps=[-9.0] * len(logps)
        )
        for logps in drawn
    ]
    path = written(tmp_path, [group(0, responses[:2]), group(1, responses[2:])])
    rows = training.read(path, "scores", sampling_logps=True)
    assert [row["sampling_logps"] for row in rows] == [[-0.75, -(2**-20)], [0.0]]
    assert [row["target"] for row in rows] == [[1.0, 1.0], [1.0]]
    # Losses that an option chooses may use them too.
    assert training.read(path, "scores") == rows


def test_responses_that_do_not_tell_what_they_were_drawn_with_are_named(tmp_path):
    told = response(1, reward=1.0, sampling_token_logps=[-1.0])
    path = written(tmp_path, [group(4, [told]), group(9, [told, response(1, reward=1.0)])])
    message = re.escape(f"{path}, group 9: every response needs 'sampling_token_logps', which are")
    with pytest.raises(store.DataError, match=message):
        training.read(path, "scores", sampling_logps=True)
    assert [row["sampling_logps"] for row in training.read(path, "scores")] == [None, None]


def test_pairs_do_not_tell_it(tmp_path):
    scored = [group(0, [response(2, reward=0.0), response(3, reward=1.0)])]
    path = written(tmp_path, preferences.label(scored, 1, 0.0, 1.0, seed=0))
    with pytest.raises(
        store.DataError, match="group 0: every response needs 'sampling_token_logps'"
    ):
        training.read(path, "labels", sampling_logps=True)


def test_labels_are_those_of_groups_of_two(tmp_path):
    """The same as of the same pairs in a file of preferences."""
    scored = [
        group(number, [response(2, reward=0.0), response(3, reward=(-1.0) ** number)])
        for number in range(8)
    ]
    labelled = preferences.label(scored, 8, 0.0, 1.0, seed=0)
    rows = [row | {"z": one["z"]} for row, one in zip(scored, labelled, strict=True)]
    found = training.read(written(tmp_path, rows), "labels")
    for one, pair in zip(found, preferences.groups(labelled), strict=True):
        assert [one["group"], one["prompt_tokens"], one["target"]] == [
            *(pair["group"], pair["prompt_tokens"], pair["target"])
        ]
        assert [each["tokens"] for each in one["responses"]] == [
            each["tokens"] for each in pair["responses"]
        ]
    assert {row["target"] for row in found} == {0.0, 1.0}


@pytest.mark.parametrize(
    ("count", "label"),
    [(2, {}), (2, {"z": None}), (2, {"z": 2}), (2, {"z": 0.5}), (2, {"z": True}), (3, {"z": 1})],
)
def test_a_group_without_a_label_of_two_is_named(tmp_path, count, label):
    rows = [group(4, [response(1), response(2)]) | {"z": 1}]
    rows.append(group(9, [response(1)] * count) | label)
    path = written(tmp_path, rows)
    words = (
        f"{count} responses and the label z = {label.get('z')!r}; a group that labels train needs"
    )
    with pytest.raises(store.DataError, match=re.escape(f"{path}, group 9: {words} two")):
        training.read(path, "labels")


def test_pairs_and_groups_are_not_mixed(tmp_path):
    scored = [group(0, [response(2, reward=0.0), response(3, reward=1.0)])]
    pairs = preferences.label(scored, 1, 0.0, 1.0, seed=0)
    for rows in ([*pairs, scored[0] | {"z": 1}], [scored[0] | {"z": 1}, *pairs]):
        with pytest.raises(store.DataError, match="data.jsonl, line 2"):
            training.read(written(tmp_path, rows), "labels")
