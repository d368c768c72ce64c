"""The script from files to files: whose responses are whose, and what does not belong together is refused."""

import made_up
import numpy as np
import pytest
from judged_iterations import Iteration, group, reward, selection, targets

from prefgrid.files import reading, records, store
from prefgrid.job.jobs import Job
from prefgrid.judges import compared, mock
from prefgrid.statistics.intransitivity import circular_share
from self_play import make_targets
from steps import compare_responses


def expit(x):
    return 1 / (1 + np.exp(-x))


class World(Iteration):
    def run(self, chosen=None, seed=0, **changes):
        outputs = {"groups": "groups.jsonl", "summary": "summary.json"}
        spec = {"targets": targets(**changes), "selection": chosen or selection(), "seed": seed}
        found = self.job(make_targets, outputs, **spec)
        rows = reading.read_jsonl(found["groups"], records.Group, key="group")
        return rows, store.read_json(found["summary"])


OWN = [[["a", "b", "cc"], ["d", "b", "a…"]], [["b", "b", "e"]]]


def test_each_response_is_worth_what_the_judge_says_whatever_stood_first(tmp_path):
    world = World(tmp_path, OWN)
    rows, summary = world.run()
    assert [row["group"] for row in rows] == [row["source_group"] for row in rows] == [0, 1, 2]
    assert [[one["text"] for one in row["responses"]] for row in rows] == [
        ["a", "b", "cc"],
        ["d", "b"],
        ["b", "e"],
    ]
    sources = [row for shard in world.rows for row in shard]
    for row, source in zip(rows, sources, strict=True):
        all_three = np.array([reward(one["text"]) for one in source["responses"]])
        for one in row["responses"]:
            own = reward(one["text"])
            assert one["win_probability"] == pytest.approx(expit(own - all_three).mean())
            assert one["reward"] == pytest.approx(own - all_three.mean())
            assert one == {**source["responses"][one["sample"]], **one}
    assert summary["dropped"] == {"truncated": 1, "duplicate": 1, "alone": 0, "undecided": 0}
    assert (summary["prompts"], summary["rows"], summary["responses"]) == (3, 3, 7)
    assert summary["length_slope"] is None and summary["circular_share"] == 0.0
    for name, end in (("chosen", max), ("rejected", min)):
        ends = [end(one["win_probability"] for one in row["responses"]) for row in rows]
        assert summary[f"{name}_win_probability"] == pytest.approx(np.mean(ends))


def test_pairs_have_a_label(tmp_path):
    rows, summary = World(tmp_path, OWN).run(selection(mode="best_worst"))
    assert [[one["sample"] for one in row["responses"]] for row in rows] == [[0, 2], [0, 1], [0, 2]]
    assert [row["z"] for row in rows] == [1, 0, 1]
    assert rows[0]["responses"][0]["pair_probability"] == pytest.approx(expit(-2.0))
    assert summary["responses"] == 6


# Two other policies, with another number of responses each.
OTHERS = [[["A", "B"], ["C", "D"], ["E", "E"]], [["F"], ["G"], ["H"]]]


def test_a_mixture_s_policies_count_alike(tmp_path):
    world = World(tmp_path, OWN, OTHERS)
    rows, _ = world.run(opponent="mixture", estimator="matrix")
    for row in rows:
        parts = [
            [reward(text) for text in found]
            for found in np.split(world.texts(world.source(row)), [3, 5])
        ]
        for one in row["responses"]:
            own = reward(one["text"])
            means = [np.mean(expit(own - np.array(part))) for part in parts]
            assert one["win_probability"] == pytest.approx(np.mean(means))


def test_the_base_alone_is_the_opponent(tmp_path):
    world = World(tmp_path, OWN, OTHERS[:1])
    rows, _ = world.run(opponent="base")
    for row in rows:
        base = np.array([reward(text) for text in world.texts(world.source(row))[3:]])
        for one in row["responses"]:
            expected = expit(reward(one["text"]) - base).mean()
            assert one["win_probability"] == pytest.approx(expected)


def test_the_summary_has_the_slope_of_the_length_and_the_share_of_circles(tmp_path):
    world = World(tmp_path, [[["a", "bb", "ccc"]]])
    _, summary = world.run(length_control=True)
    # Longer by 1 or 2 characters is better by 1 or 2: ±1 four times, ±2 twice.
    sd = np.sqrt((4 * 1 + 2 * 4) / 6)
    bent = np.tanh(np.array([1, 2]) / sd)
    slope = (4 * bent[0] + 2 * 2 * bent[1]) / (4 * bent[0] ** 2 + 2 * bent[1] ** 2)
    assert summary["length_slope"] == pytest.approx(slope)
    pair = World(tmp_path / "two", [[["a", "b"]]])
    assert pair.run()[1]["circular_share"] is None
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, 5)).astype(np.float32)
    np.fill_diagonal(table, 0.0)
    world = World(tmp_path / "five", [[list("abcde")]])
    made = compared.frame([(world.rows[0], [table])], antisymmetric=False)
    store.write_parquet(world.matrices, made)
    made_up.record(world.matrices)
    assert world.run()[1]["circular_share"] == circular_share(table - table.T)


def test_matrices_of_other_prompts_are_refused(tmp_path):
    world = World(tmp_path, OWN)
    store.write_jsonl(world.responses[1], [group(2, ["b", "e"], prompt_id=9)])
    with pytest.raises(store.DataError, match="matrices.parquet: file 1 .* these responses"):
        world.run()


def test_matrices_of_another_number_of_responses_are_refused(tmp_path):
    world = World(tmp_path, OWN)
    store.write_jsonl(world.responses[1], [group(2, ["b", "e"])])
    with pytest.raises(store.DataError, match="group 2: 2 responses, .* the matrices compare 3"):
        world.run()


def test_a_prompt_that_an_opponent_has_not_answered_is_named(tmp_path):
    world = World(tmp_path, OWN, OTHERS)
    store.write_jsonl(world.opponents[1], world.others[1][:2])
    with pytest.raises(ValueError, match=f"others/1.*no responses to the prompt {2:016x}"):
        world.run(opponent="mixture")


def test_responses_are_numbered_as_compare_responses_numbers_them(tmp_path):
    """The judge is asked by the workflow's own step, of two shards and two opponents."""
    world = World(tmp_path, OWN, OTHERS)
    options = {"seed": 3, "scale": 2.0, "antisymmetric": False}
    judge = {"judge": "prefgrid.judges.mock", "options": options, "prompt_format": "chat"}
    inputs = {"groups": world.responses, "opponents": world.opponents, "judge": None}
    outputs = {"matrices": world.matrices}
    compare_responses.main(Job(inputs, outputs, outputs, judge | {"at_once": None}))
    made_up.record(world.matrices)
    rows, _ = world.run(opponent="mixture")
    asked = mock.load(None, options, prompt_format="chat", device=None)
    for row in rows:
        texts = world.texts(world.source(row))
        [raw] = asked.logits([row["prompt"]], [texts])
        p = expit((raw - raw.T).astype(float) / 2)
        for one in row["responses"]:
            parts = np.split(p[one["sample"]], [3, 5])
            assert one["win_probability"] == pytest.approx(np.mean([np.mean(x) for x in parts]))


def test_all_responses_alike_are_an_error_with_their_counts(tmp_path):
    world = World(tmp_path, [[["a", "a"], ["b", "b"]]])
    with pytest.raises(
        ValueError, match="none of 2 prompts .* 2 whose text .* 2 prompts with fewer"
    ):
        world.run()
