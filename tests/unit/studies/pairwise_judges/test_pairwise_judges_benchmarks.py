"""Scores of benchmarks from judges' matrices of their rows. Oracle: arithmetic on known scores."""

import numpy as np
import pytest

from prefgrid.judges import compared
from prefgrid.statistics import reward_bench
from prefgrid.studies.pairwise_judges import sections

RNG = np.random.default_rng(3)


def row(section: str, chosen: int, rejected: int, item: str = "") -> dict:
    """All chosen beat all rejected, the chosen first."""
    edges = [(i, chosen + j) for i in range(chosen) for j in range(rejected)]
    return {
        "prompt_id": f"{RNG.integers(2**62):016x}",
        "section": section,
        "item": item,
        "responses": [{"text": "x"}] * (chosen + rejected),
        "comparisons": [{"first": i, "second": j, "probability": 1.0} for i, j in edges],
    }


def measured(rows: list[dict], scores: list[np.ndarray]) -> dict[tuple[str, str], dict]:
    """(section, measure) → row of the table, of a judge with these scores."""
    matrices = {place: one[:, None] - one for place, one in enumerate(scores)}
    frame = compared.comparisons(rows)
    logit = [matrices[r][i, j] for r, i, j in frame[compared.PAIR].to_numpy()]
    found = sections.rows(frame.assign(logit=logit), lambda: matrices)
    return {(one["section"], one["measure"]): one for one in found}


def test_a_set_without_sections_has_no_rows():
    assert measured([row("", 1, 1)], [np.array([1.0, 0.0])]) == {}


def test_reward_bench_s_mean_is_that_of_its_four_sections():
    """Two subsets a section; of each n rows, k right."""
    counts = {
        "Chat/alpacaeval-easy": (4, 3),
        "Chat/mt-bench-easy": (2, 1),
        "Chat Hard/mt-bench-hard": (5, 1),
        "Safety/donotanswer": (3, 3),
        "Reasoning/math-prm": (4, 2),
        "Reasoning/hep-cpp": (4, 4),
    }
    rows, scores = [], []
    for section, (count, right) in counts.items():
        for place in range(count):
            rows.append(row(section, 1, 1))
            scores.append(np.array([1.0, 0.0] if place < right else [0.0, 1.0]))
    found = measured(rows, scores)
    chat = (100 * 3 / 4 + 28 / 2) / 128
    reasoning = (984 / 2 + 164) / (984 + 164)
    assert found["Chat", "RewardBench"]["value"] == pytest.approx(chat)
    assert found["Reasoning", "RewardBench"]["value"] == pytest.approx(reasoning)
    total = (chat + 0.2 + 1.0 + reasoning) / 4
    assert found[sections.MEAN, "RewardBench"]["value"] == pytest.approx(total)
    own = found["Chat Hard/mt-bench-hard", "accuracy"]
    assert (own["count"], own["value"]) == (5, 0.2)
    assert not [section for section, measure in found if measure != "accuracy" and "/" in section]


def test_reward_bench_takes_a_tie_for_wrong_and_accuracy_for_half():
    """The official code: 1 if the score of the chosen is above, else 0."""
    found = measured([row("Chat/mt-bench-easy", 1, 1)] * 2, [np.zeros(2), np.array([1.0, 0.0])])
    assert found["Chat", "RewardBench"]["value"] == 0.5
    assert found["Chat/mt-bench-easy", "accuracy"]["value"] == 0.75


def test_three_sections_have_no_mean():
    found = measured([row("Chat/mt-bench-easy", 1, 1)], [np.array([1.0, 0.0])])
    assert ("Chat", "RewardBench") in found and (sections.MEAN, "RewardBench") not in found


def test_reward_bench_2_is_best_of_four_and_its_ties():
    rows, scores, best = [], [], {}
    for section in sections.BEST_OF_FOUR:
        drawn = [RNG.normal(size=4).round() for _ in range(12)]
        rows += [row(section, 1, 3) for _ in drawn]
        scores += drawn
        # The published rule for a scalar, with its penalty for ties.
        won = [(1 / (one == one.max()).sum()) if one[0] == one.max() else 0 for one in drawn]
        best[section] = float(np.mean(won))
    assert any(0 < value < 1 for value in best.values())
    tied, single = {}, {}
    for name in map(str, range(6)):
        several, one = RNG.normal(size=7), RNG.normal(size=5)
        several[:4] += 2.5
        one[0] += 2.5
        rows += [row("Ties/tied", 4, 3, name), row("Ties/ref", 1, 4, name)]
        scores += [several, one]
        tied[name] = reward_bench.Answered(several[:4], several[4:])
        single[name] = reward_bench.Answered(one[:1], one[1:])
    found = measured(rows, scores)
    for section, value in best.items():
        own = found[section, "best of four"]
        assert (own["count"], own["value"]) == (12, pytest.approx(value))
        assert own["low"] <= own["value"] <= own["high"]
    # The scores themselves give the same: mean logits are scores but for a constant.
    ties = reward_bench.ties_score(tied, single)
    assert found["Ties", "RewardBench 2"]["value"] == pytest.approx(ties)
    total = (sum(best.values()) + ties) / 6
    assert found[sections.MEAN, "RewardBench 2"]["value"] == pytest.approx(total)
