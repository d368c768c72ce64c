"""Pairs and circles of the dataset's completions. Oracle: every pair and triple, by brute force."""

import json
from itertools import combinations, permutations
from pathlib import Path

import pytest

from prefgrid.comparisons import aspects, scores
from prefgrid.files import kinds, records, store
from prefgrid.tinyworld import files

DATASET = "prefgrid.data.ultrafeedback"
DATA = {"dataset": DATASET, "bad_row_share": 0.0, "eval_share": 0.15}
PAIRS = {"pairs_per_prompt": None}
BY_ASPECT = PAIRS | {"aspect": "honesty", "circles": False, "circles_per_prompt": 1}
NAMES = ("instruction_following", "honesty", "truthfulness", "helpfulness")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    rows = files.rows(2880, 0)
    path = tmp_path_factory.mktemp("tiny") / "train.jsonl"
    store.write_jsonl(path, rows)
    return path, rows


@pytest.fixture(scope="module")
def few(tiny: tuple[Path, list[dict]]) -> tuple[Path, list[dict]]:
    path, rows = tiny[0].with_name("few.jsonl"), tiny[1][:300]
    store.write_jsonl(path, rows)
    return path, rows


def write(folder: Path, *completions: dict) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(json.dumps({"instruction": "Why?", "completions": completions}) + "\n")
    return path


def rated(text: str, score: float | None = None, **ratings: object) -> dict:
    """In UltraFeedback's schema; ratings by aspect."""
    notes = {aspect: {"Rating": rating, "Rationale": ""} for aspect, rating in ratings.items()}
    return {"response": text, "fine-grained_score": score, "annotations": notes}


def all_rows(sets) -> list[dict]:
    return [*sets.train, *sets.calibration, *sets.test]


def edges(row: dict) -> list[tuple[str, str, float]]:
    """(winner, loser, margin)."""
    texts = [one["text"] for one in row["responses"]]
    return [
        (texts[one["first"]], texts[one["second"]], one["margin"])
        for one in row["comparisons"]
        if one["probability"] == 1.0
    ]


def test_pairs_of_unequal_scores_with_their_difference(tmp_path):
    found = [rated("a", 1.0), rated("b", 4.5), rated("c", 1.0), rated("b", 9.0), rated("d")]
    sets = scores.read([write(tmp_path, *found)], PAIRS, DATA)
    (row,) = all_rows(sets)
    assert edges(row) == [("b", "a", 3.5), ("b", "c", 3.5)]
    assert sets.dropped == {
        "equal values": 1,
        "repeated responses": 1,
        "responses without a value": 1,
    }
    assert kinds.problem(row, records.Compared) is None


def test_all_pairs_of_the_tiny_world(few):
    path, rows = few
    sets = scores.read([path], PAIRS, DATA)
    found = {row["prompt"]: set(edges(row)) for row in all_rows(sets)}
    for row in rows:
        wanted = set()
        for one, other in combinations(row["completions"], 2):
            by, over = sorted((one, other), key=lambda c: -c["fine-grained_score"])
            difference = by["fine-grained_score"] - over["fine-grained_score"]
            if difference:
                wanted.add((by["response"], over["response"], difference))
        assert found.get(row["instruction"], set()) == wanted
    assert sum(map(len, found.values())) > 1780


def test_fewer_pairs_are_among_more(few):
    path, _ = few
    every = {row["prompt"]: edges(row) for row in all_rows(scores.read([path], PAIRS, DATA))}
    before: dict[str, set] = {}
    places = set()
    for most in (1, 2, 4):
        sets = scores.read([path], {"pairs_per_prompt": most}, DATA)
        for row in all_rows(sets):
            drawn = edges(row)
            assert len(drawn) == min(most, len(every[row["prompt"]]))
            assert before.get(row["prompt"], set()) <= set(drawn) <= set(every[row["prompt"]])
            before[row["prompt"]] = set(drawn)
            if most == 1:
                places.add(every[row["prompt"]].index(drawn[0]))
    assert places == set(range(6)), "any of the six is drawn"


def test_pairs_by_one_aspect(tmp_path):
    found = [
        rated("a", 5.0, honesty="2", helpfulness="5"),
        rated("b", 1.0, honesty=4),
        rated("c", 1.0, honesty="N/A"),
        rated("d", 1.0, helpfulness="1"),
    ]
    sets = aspects.read([write(tmp_path, *found)], BY_ASPECT, DATA)
    (row,) = all_rows(sets)
    assert (edges(row), row["section"]) == ([("b", "a", 2.0)], "honesty")
    assert sets.dropped == {"responses without a value": 2}


def test_a_dataset_without_ratings_is_refused(tmp_path):
    with pytest.raises(
        store.DataError, match="no completion has a rating of instruction_following"
    ):
        aspects.read([write(tmp_path, rated("a", 1.0))], BY_ASPECT, DATA)


def circles(row: dict, out: str) -> list[tuple[str, str, str]]:
    """All (A, B, C) with A ≻ B, B ≻ C, C ≻ A, in the order of the permutations, turns of one included."""
    around = [name for name in NAMES if name != out]
    values = [
        (one["response"], *(int(one["annotations"][name]["Rating"]) for name in around))
        for one in row["completions"]
    ]
    return [
        (a[0], b[0], c[0])
        for a, b, c in permutations(values, 3)
        if a[1] > b[1] and b[2] > c[2] and c[3] > a[3]
    ]


# Triples among the 2,880 prompts.
TRIPLES = {
    "instruction_following": 1476,
    "honesty": 1240,
    "truthfulness": 1208,
    "helpfulness": 1196,
}


@pytest.mark.parametrize("out", NAMES)
def test_the_first_circle_of_each_prompt(tiny, out):
    path, rows = tiny
    options = BY_ASPECT | {"aspect": out, "circles": True}
    sets = aspects.read([path], options, DATA)
    found = {row["prompt"]: row for row in all_rows(sets)}
    wanted = {row["instruction"]: circles(row, out)[0] for row in rows if circles(row, out)}
    assert len(found) == len(wanted) == TRIPLES[out]
    for prompt, row in found.items():
        a, b, c = wanted[prompt]
        assert [edge[:2] for edge in edges(row)] == [(a, b), (b, c), (c, a)]
        assert all(margin >= 1 for *_, margin in edges(row))
    assert sets.dropped == {"prompts without a circle": 2880 - TRIPLES[out]}


def test_all_circles_of_a_prompt_each_once(few):
    path, rows = few
    options = BY_ASPECT | {"circles": True, "circles_per_prompt": None}
    found: dict[str, list] = {}
    for row in all_rows(aspects.read([path], options, DATA)):
        found.setdefault(row["prompt"], []).append(frozenset(edge[:2] for edge in edges(row)))
    for row in rows:
        wanted = {frozenset([(a, b), (b, c), (c, a)]) for a, b, c in circles(row, "honesty")}
        assert set(found.get(row["instruction"], [])) == wanted
        assert len(found.get(row["instruction"], [])) == len(wanted)
