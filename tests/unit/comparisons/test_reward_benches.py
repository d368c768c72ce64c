"""RewardBench and RewardBench 2 in their public schemas, and the official weights."""

import json
from pathlib import Path

import pytest

from prefgrid.comparisons import reward_bench, reward_bench_2
from prefgrid.files import store

DATA = {"bad_row_share": 0.0, "eval_share": 0.15}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(subset: str, number: int = 0, **values: object) -> dict:
    return {
        "prompt": f"{subset} {number}",
        "chosen": "good",
        "chosen_model": "x",
        "rejected": "bad",
        "rejected_model": "y",
        "subset": subset,
        "id": number,
    } | values


class TestRewardBench:
    def test_the_23_subsets_have_their_sections(self, tmp_path):
        subsets = [name for names in reward_bench.SECTIONS.values() for name in names]
        assert len(subsets) == len(set(subsets)) == 23
        sets = reward_bench.read([write(tmp_path, *map(row, subsets))], {}, DATA)
        assert sets.train == []
        sections = {one["prompt"][:-2]: one["section"] for one in sets.test}
        assert len(sections) == 23
        assert sections["math-prm"] == "Reasoning/math-prm"
        assert sections["llmbar-natural"] == "Chat Hard/llmbar-natural"
        assert sections["alpacaeval-hard"] == "Chat/alpacaeval-hard"
        assert sections["donotanswer"] == "Safety/donotanswer"

    def test_rows_of_other_subsets_and_equal_sides_are_counted_and_empty_ones_stay(self, tmp_path):
        rows = (
            row("donotanswer", rejected=""),
            row("anthropic_hhh"),
            row("hep-go", rejected="good"),
        )
        sets = reward_bench.read([write(tmp_path, *rows)], {}, DATA)
        assert [one["responses"][1]["text"] for one in sets.test] == [""]
        assert sets.dropped == {"subsets of no section": 1, "equal responses": 1}

    def test_math_weighs_as_much_as_all_code(self):
        code = [name for name in reward_bench.SECTIONS["Reasoning"] if name != "math-prm"]
        accuracies = {f"Reasoning/{name}": 0.6 + 0.05 * at for at, name in enumerate(code)}
        accuracies |= {"Reasoning/math-prm": 0.2, "Chat/mt-bench-easy": 1.0}
        scores = reward_bench.section_scores(accuracies)
        # Six subsets of 164 rows: their plain mean is .725.
        assert scores == pytest.approx({"Reasoning": (0.2 + 0.725) / 2, "Chat": 1.0})

    def test_a_section_is_weighted_by_rows(self):
        accuracies = {"Safety/xstest-should-respond": 1.0, "Safety/refusals-dangerous": 0.0}
        assert reward_bench.section_scores(accuracies) == {"Safety": pytest.approx(154 / 254)}


def many(subset: str, name: str, right: list[str], wrong: list[str]) -> dict:
    total = len(right) + len(wrong)
    return {
        "id": name,
        "prompt": f"Q {name}",
        "chosen": right,
        "rejected": wrong,
        "num_correct": len(right),
        "num_rejected": len(wrong),
        "total_completions": total,
        "models": ["m"] * total,
        "subset": subset,
        "additional_metadata": None,
    }


class TestRewardBench2:
    def test_one_right_of_four_and_ties(self, tmp_path):
        path = write(
            tmp_path,
            many("Math", "7", ["r"], ["a", "", "c"]),
            many("Ties", "tied:0", ["r", "s"], ["a", "b", "c"]),
            many("Ties", "ref:0", ["r"], ["a", "b"]),
        )
        math, tied, reference = reward_bench_2.read([path], {}, DATA).test
        assert [one["text"] for one in math["responses"]] == ["r", "a", "", "c"]
        edges = [(one["first"], one["second"]) for one in math["comparisons"]]
        assert edges == [(0, 1), (0, 2), (0, 3)]
        assert "item" not in math and tied["item"] == reference["item"] == "0"
        edges = [(one["first"], one["second"]) for one in tied["comparisons"]]
        assert edges == [(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)]
        sections = [one["section"] for one in (math, tied, reference)]
        assert sections == ["Math", "Ties/tied", "Ties/ref"]

    def test_a_response_that_is_right_and_wrong_drops_its_row(self, tmp_path):
        path = write(
            tmp_path, many("Math", "1", ["r"], ["r", "b"]), many("Math", "2", ["r"], ["b"])
        )
        sets = reward_bench_2.read([path], {}, DATA)
        assert (len(sets.test), sets.dropped) == (1, {"equal responses": 1})

    def test_bad_rows_are_named(self, tmp_path):
        path = write(tmp_path, many("Math", "1", ["r"], []) | {"chosen": ["r", 3]})
        with pytest.raises(store.DataError, match=r"line 1: field 'chosen\[1\]' must be a string"):
            reward_bench_2.read([path], {}, DATA)
        path = write(tmp_path, many("Math", "1", ["r"], ["b"]) | {"rejected": "b"})
        with pytest.raises(store.DataError, match="line 1: field 'rejected' must be a list"):
            reward_bench_2.read([path], {}, DATA)
