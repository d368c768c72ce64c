"""What the labels can tell, in words: no more than the figures say."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import synthetic_study as study

from link_robustness import tabulate_results
from prefgrid.data import preferences
from prefgrid.files import store
from prefgrid.report import evidence
from prefgrid.statistics import identifiability
from prefgrid.studies.link_robustness import inputs


def _finding(powers: dict[float, tuple[float, float]]) -> dict:
    """{shift: (excess a label, power)} at n = 1000, and a smaller n that is not spoken of."""
    rows = [
        {
            "shift": shift,
            "n": n,
            "seeds": 2,
            "excess_kl_nats": excess,
            "evidence_nats": n * excess,
            "bayes_accuracy": 0.7,
            "power": power if n == 1000 else 0.06,
        }
        for n in (100, 1000)
        for shift, (excess, power) in powers.items()
    ]
    return asdict(evidence.finding(pd.DataFrame(rows)))


def test_each_shift_is_judged_by_the_power_of_the_ideal_test():
    found = _finding(
        {0.0: (0.0, 0.05), 1.0: (3e-5, 0.06), 2.0: (0.001, 0.29), 4.0: (0.0141, 0.9996)}
    )
    assert found["heading"].startswith("At shift 4 the labels can tell")
    assert "elsewhere not reliably" in found["heading"]
    assert "n = 1,000" in found["sentences"][0]
    logistic, weak, between, strong, other = found["sentences"][1:]
    assert (
        logistic == "Shift 0: the logistic link is the true one, so no method can win by its link."
    )
    assert "cannot tell" in weak and "0.000030 nats a label" in weak and "label noise" in weak
    assert "not reliably" in between and "29 of 100" in between
    assert "can tell" in strong and "14.1 nats in all" in strong
    assert "more than 99 of 100" in strong
    assert "another reason than the link" in other
    assert len(_finding({4.0: (0.0141, 0.9996)})["sentences"]) == 2


def test_a_shifted_link_is_never_called_logistic():
    """T = 1, shift .25: 1.4e-7 nats a label, 0 to the digits shown but not 0."""
    found = _finding({0.25: (1.4e-7, 0.05)})
    assert "less than 0.000001 nats a label" in found["sentences"][1]
    assert "can hardly tell" in found["heading"]


def test_headings():
    assert "can hardly tell" in _finding({0.0: (0.0, 0.05), 1.0: (3e-5, 0.06)})["heading"]
    assert "no other link to learn" in _finding({0.0: (0.0, 0.05)})["heading"]
    both = _finding({2.0: (0.003, 0.81), 4.0: (0.014, 0.99)})["heading"]
    assert both == "At shift 2 and 4 the labels can tell the true link from a logistic one"


def test_the_utilities_are_those_that_were_labelled(tmp_path):
    """A row's reward_diff in the preferences is its u; both the scale and the order must agree."""
    rows, path = study.rewards(3, 50), tmp_path / "seed=3" / "rewards.jsonl"
    store.write_jsonl(path, rows)
    labelled = [row["reward_diff"] for row in preferences.label(rows, 20, 1.0, 0.25, seed=3)]
    found = tabulate_results.utilities(inputs.scored_pairs([path]), drop_identical=False)
    assert list(found) == [3]
    np.testing.assert_allclose(found[3][:20], labelled)


def test_pairs_that_are_left_out_are_no_evidence(tmp_path):
    """What is dropped before training is dropped from what the labels could tell, and counted."""
    rows, path = study.rewards(3, 40), tmp_path / "seed=3" / "rewards.jsonl"
    for group in (0, 7, 30):
        first, second = rows[group]["responses"]
        second["text"] = first["text"]
    store.write_jsonl(path, rows)
    pairs = inputs.scored_pairs([path])
    assert tabulate_results.identical_shares(pairs, [10, 40]) == {10: 0.2, 40: 3 / 40}
    for drop in (True, False):
        labelled = preferences.label(rows, 20, 1.0, 0.25, seed=3, drop_identical=drop)
        own = np.array([row["reward_diff"] for row in labelled])
        found = tabulate_results.utilities(pairs, drop_identical=drop)
        assert len(own) == (18 if drop else 20)
        (cell,) = identifiability.table(found, [4.0], [20], 0.25).to_dict("records")
        excess = identifiability.best_logistic(own, 4.0, 0.25).excess_kl_nats
        assert cell["excess_kl_nats"] == excess
        assert cell["evidence_nats"] == len(own) * excess


def test_the_whole_table_has_a_row_a_cell():
    utilities = {seed: np.random.default_rng(seed).normal(size=100) for seed in (0, 1)}
    table = identifiability.table(utilities, [0.0, 4.0], [50, 100], 0.25)
    shown = evidence.evidence_table(table, "", [], "identifiability.csv")
    assert [len(row) for row in shown["rows"]] == [4] * 4
