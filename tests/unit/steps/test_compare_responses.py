"""From files of responses to a table of logits, and from that to a temperature."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from prefgrid.files import store
from prefgrid.judges import mock
from prefgrid.judges.pairwise import matrix
from prefgrid.run import execution
from steps import calibrate_judge, compare_responses

SCALE, TRUE_TEMPERATURE = 3.0, 2.0
PAIRS = ["file", "row", "prompt_id", "first", "second"]
MOCK = {"seed": 4, "scale": SCALE, "antisymmetric": False}
SPEC = {"judge": "prefgrid.judges.mock", "options": MOCK, "prompt_format": "chat", "at_once": 3}


def judge():
    return mock.load(None, MOCK, prompt_format="chat", device=None)


def row(number: int, count: int) -> dict:
    texts = [{"text": f"{number} {k}" if k else ""} for k in range(count)]
    prompt = {"prompt_id": f"{number:016x}", "prompt": f"prompt {number}"}
    return prompt | {"responses": texts}


def compared(number: int) -> dict:
    """Probabilities at which the judge's logits, whatever the order, are TRUE_TEMPERATURE too large."""
    one = row(number, 3)
    texts = [response["text"] for response in one["responses"]]
    logits = matrix(judge(), one["prompt"], texts).astype(float)
    comparisons = [
        {
            "first": i,
            "second": j,
            "probability": float(expit((logits[i, j] - logits[j, i]) / 2 / TRUE_TEMPERATURE)),
        }
        for i, j in ((0, 1), (2, 1), (2, 0))
    ]
    return one | {"section": "", "comparisons": comparisons}


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(execution.WORK_VARIABLE, raising=False)
    store.write_jsonl(tmp_path / "responses.jsonl", [row(n, 2 + n % 3) for n in range(7)])
    store.write_jsonl(tmp_path / "held_out.jsonl", [compared(n) for n in range(7, 17)])
    return tmp_path


def run(monkeypatch, script, spec: dict, **paths) -> None:
    """By the script's own command line, so that its record is there."""
    words = [f"{script.__name__.rpartition('.')[2]}.py"]
    for name, value in paths.items():
        words += [f"--{name}", *([value] if isinstance(value, str) else value)]
    monkeypatch.setattr(sys, "argv", [*words, "--spec", json.dumps(spec)])
    declared = {
        compare_responses: (("groups*", "opponents**", "judge?"), ("matrices",)),
        calibrate_judge: (("matrices", "comparisons"), ("calibration",)),
    }[script]
    script.jobs.run(script.main, inputs=declared[0], outputs=declared[1])


def compare(monkeypatch, spec=SPEC, groups=("responses.jsonl", "held_out.jsonl"), opponents=()):
    paths = {"groups": groups, "opponents": opponents, "judge": []}
    paths["matrices"] = "matrices/matrices.parquet"
    run(monkeypatch, compare_responses, spec, **paths)
    return pd.read_parquet("matrices/matrices.parquet")


def test_a_row_is_an_ordered_pair_with_the_judges_logit(world, monkeypatch):
    table = compare(monkeypatch)
    assert list(table.columns) == [*PAIRS, "logit", "antisymmetric"]
    assert table["logit"].dtype == np.float32
    rest = iter(table.itertuples(index=False))
    for file, name in enumerate(("responses.jsonl", "held_out.jsonl")):
        for number, one in enumerate(store.read_jsonl(world / name)):
            texts = [response["text"] for response in one["responses"]]
            logits = matrix(judge(), one["prompt"], texts)
            for i in range(len(texts)):
                for j in range(len(texts)):
                    if i != j:
                        expected = (file, number, one["prompt_id"], i, j, logits[i, j], False)
                        assert next(rest) == expected
    assert next(rest, None) is None


def opponents_of(numbers, name: str, count: int) -> str:
    """A file of made-up opponents of these prompts, in another order."""
    rows = [row(number, 2) for number in reversed(numbers)]
    for one in rows:
        texts = [f"{name} of {one['prompt']}, {k}" for k in range(count)]
        one["responses"] = [{"text": text, "tokens": [1], "finish": "stop"} for text in texts]
    store.write_jsonl(f"{name}.jsonl", rows)
    return f"{name}.jsonl"


def test_opponents_are_numbered_behind_a_row_s_own_responses_file_by_file(world, monkeypatch):
    """Of several shards, each row with all opponents of its prompt."""
    shards = ["one.jsonl", "two.jsonl"]
    store.write_jsonl(shards[0], [row(n, 2 + n % 3) for n in range(3)])
    store.write_jsonl(shards[1], [row(n, 2) for n in range(3, 5)])
    others = [opponents_of(range(6), "base", 2), opponents_of(range(5), "earlier", 1)]
    table = compare(monkeypatch, groups=shards, opponents=others)
    found = table.groupby(["file", "row"], sort=False)
    assert list(found.groups) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    for file, name in enumerate(shards):
        for number, one in enumerate(store.read_jsonl(world / name)):
            texts = [response["text"] for response in one["responses"]]
            texts += [f"base of {one['prompt']}, {k}" for k in range(2)]
            texts += [f"earlier of {one['prompt']}, 0"]
            logits = matrix(judge(), one["prompt"], texts)
            own = found.get_group((file, number))
            assert set(own["prompt_id"]) == {one["prompt_id"]}
            assert len(own) == len(texts) * (len(texts) - 1)
            for pair in own.itertuples():
                assert pair.logit == logits[pair.first, pair.second]


def test_without_opponents_the_table_is_that_of_the_groups_alone(world, monkeypatch):
    """A row's own part of the table, pair by pair, is the same with opponents and without."""
    alone = compare(monkeypatch, groups=["responses.jsonl"])
    with_others = compare(
        monkeypatch, groups=["responses.jsonl"], opponents=[opponents_of(range(7), "base", 3)]
    )
    sizes = with_others["row"].map(lambda number: 2 + number % 3)
    own = with_others[(with_others["first"] < sizes) & (with_others["second"] < sizes)]
    pd.testing.assert_frame_equal(own.reset_index(drop=True), alone)


def test_one_response_and_an_opponent_are_something_to_compare(world, monkeypatch):
    store.write_jsonl("single.jsonl", [row(1, 1)])
    table = compare(monkeypatch, groups=["single.jsonl"], opponents=[opponents_of([1], "base", 1)])
    assert table[["first", "second"]].to_numpy().tolist() == [[0, 1], [1, 0]]


def test_a_prompt_that_opponents_lack_is_refused_before_the_judge_is_loaded(
    world, monkeypatch, capsys
):
    others = [opponents_of(range(7), "base", 1), opponents_of(range(6), "earlier", 1)]
    with pytest.raises(SystemExit):
        spec = SPEC | {"judge": "no.such.judge"}
        compare(monkeypatch, spec, ["responses.jsonl"], others)
    said = capsys.readouterr().err
    assert "earlier.jsonl: has no responses to the prompt 0000000000000006, 'prompt 6'" in said


def test_opponents_that_answer_a_prompt_twice_are_refused(world, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        others = [opponents_of([*range(7), 3], "base", 1)]
        compare(monkeypatch, groups=["responses.jsonl"], opponents=others)
    assert "base.jsonl, line 5: prompt_id '0000000000000003' is that of line 1" in (
        capsys.readouterr().err
    )


class SaysNaN:
    """A judge that has no logit for responses with a word in them."""

    antisymmetric = False

    def __init__(self, word):
        self.word = word

    def logits(self, prompts, responses):
        found = []
        for group in responses:
            logits = np.zeros((len(group), len(group)), dtype=np.float32)
            logits[0, [number for number, text in enumerate(group) if self.word in text]] = np.nan
            found.append(logits)
        return found


@pytest.mark.parametrize("met", [True, False], ids=["of an opponent", "of its own"])
def test_a_nan_names_both_texts_and_the_prompt(world, monkeypatch, capsys, met):
    """Of the responses that train too, which meet no opponents."""
    word, named = ("base", "base of prompt 0, 0") if met else ("0 1", "0 1")
    monkeypatch.setattr(mock, "load", lambda *_, **__: SaysNaN(word))
    others = [opponents_of(range(7), "base", 1)] if met else []
    with pytest.raises(SystemExit):
        compare(monkeypatch, groups=["responses.jsonl"], opponents=others)
    said = capsys.readouterr().err
    assert f"the judge's logit of '', shown first, against '{named}'" in said
    assert "as answers to 'prompt 0' is nan" in said
    assert not (world / "matrices/matrices.parquet").exists()


def test_the_temperature_is_that_of_the_held_out_file(world, monkeypatch):
    compare(monkeypatch)
    files = {"matrices": "matrices/matrices.parquet", "comparisons": "held_out.jsonl"}
    run(monkeypatch, calibrate_judge, {"file": 1}, **files, calibration="out/calibration.json")
    found = store.read_json(world / "out/calibration.json")
    assert found["temperature"] == pytest.approx(TRUE_TEMPERATURE, rel=1e-5)
    assert found["comparisons"] == 30 and found["at_bound"] is False
    rows = [
        one for line in store.read_jsonl(world / "held_out.jsonl") for one in line["comparisons"]
    ]
    p = np.array([one["probability"] for one in rows])
    entropy = -np.mean(p * np.log(p) + (1 - p) * np.log(1 - p))
    assert found["log_loss_calibrated_nats"] == pytest.approx(entropy, rel=1e-6)
    assert found["log_loss_raw_nats"] > entropy + 0.05


def test_a_judge_that_is_never_wrong_has_no_temperature(world, monkeypatch):
    """Of whatever divides its logits the smallest is best: a bound, and no fit."""
    rows = [compared(number) for number in range(7, 17)]
    for one in rows:
        for edge in one["comparisons"]:
            edge["probability"] = float(edge["probability"] > 0.5)
    store.write_jsonl(world / "held_out.jsonl", rows)
    compare(monkeypatch)
    files = {"matrices": "matrices/matrices.parquet", "comparisons": "held_out.jsonl"}
    run(monkeypatch, calibrate_judge, {"file": 1}, **files, calibration="out/calibration.json")
    assert store.read_json(world / "out/calibration.json")["at_bound"] is True


def test_comparisons_of_other_prompts_are_refused(world, monkeypatch, capsys):
    compare(monkeypatch)
    files = {"matrices": "matrices/matrices.parquet", "comparisons": "held_out.jsonl"}
    with pytest.raises(SystemExit):
        run(monkeypatch, calibrate_judge, {"file": 0}, **files, calibration="out/calibration.json")
    assert "they are not the 10 of these comparisons" in capsys.readouterr().err


def test_one_response_is_refused_with_its_file_before_the_judge_is_loaded(
    world, monkeypatch, capsys
):
    store.write_jsonl(world / "single.jsonl", [row(1, 2), row(2, 1)])
    with pytest.raises(SystemExit):
        spec = SPEC | {"judge": "no.such.judge"}
        compare(monkeypatch, spec, ("responses.jsonl", "single.jsonl"))
    said = capsys.readouterr().err
    assert "single.jsonl, row 1: 1 response(s) to 'prompt 2' leave nothing to compare" in said


@pytest.mark.parametrize("second", [0, 3])
def test_a_comparison_of_no_two_responses_is_refused(world, monkeypatch, capsys, second):
    compare(monkeypatch)
    rows = store.read_jsonl(world / "held_out.jsonl")
    rows[2]["comparisons"][0]["second"] = second
    store.write_jsonl(world / "held_out.jsonl", rows)
    files = {"matrices": "matrices/matrices.parquet", "comparisons": "held_out.jsonl"}
    with pytest.raises(SystemExit):
        run(monkeypatch, calibrate_judge, {"file": 1}, **files, calibration="out/calibration.json")
    assert f"compares the responses 0 and {second} of 3" in capsys.readouterr().err
