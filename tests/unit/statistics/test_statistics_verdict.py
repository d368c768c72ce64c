"""What a difference shows, by the rule of each kind of study."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from prefgrid.statistics.verdict import (
    Verdict,
    chance_of_a_hint,
    judge_over_seeds,
    judge_over_seeds_and_prompts,
    shift_change,
    strongest,
)


def _difference(seeds=4, p=0.5, holm=1.0, prompts=(-0.1, 0.1), prompts_holm=0.5):
    return {
        "seeds": seeds,
        "p_seeds": p if seeds > 1 else np.nan,
        "p_seeds_holm": holm if seeds > 1 else np.nan,
        "difference_sd_prompts_low_given_seeds": prompts[0],
        "difference_sd_prompts_high_given_seeds": prompts[1],
        "p_prompts_holm_given_seeds": prompts_holm,
    }


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (_difference(), Verdict.UNDECIDED),
        (_difference(p=0.01, holm=0.03, prompts=(0.02, 0.2)), Verdict.DIFFERENT),
        (_difference(p=0.01, holm=0.03, prompts=(-0.2, -0.02)), Verdict.DIFFERENT),
        (_difference(p=0.01, holm=0.03), Verdict.SUGGESTIVE),
        (_difference(p=0.01, holm=0.03, prompts=(0.0, 0.2)), Verdict.SUGGESTIVE),
        (_difference(p=0.01, holm=0.03, prompts=(np.nan, np.nan)), Verdict.SUGGESTIVE),
        (_difference(p=0.01, holm=0.06, prompts=(0.02, 0.2)), Verdict.SUGGESTIVE),
        (_difference(p=0.01, holm=0.06), Verdict.SUGGESTIVE),
        (_difference(prompts=(0.02, 0.2), prompts_holm=0.04), Verdict.THESE_POLICIES),
        (_difference(seeds=1, prompts=(0.02, 0.2), prompts_holm=0.04), Verdict.THESE_POLICIES),
        # The interval excludes 0, but the correction over the table takes that away.
        (_difference(prompts=(0.02, 0.2), prompts_holm=0.06), Verdict.UNDECIDED),
        (_difference(prompts=(0.02, 0.2), prompts_holm=np.nan), Verdict.UNDECIDED),
        (_difference(seeds=1), Verdict.UNDECIDED),
        (_difference(seeds=0, prompts=(np.nan, np.nan)), Verdict.MISSING),
    ],
)
def test_over_seeds_and_prompts_both_must_show(row, verdict):
    assert judge_over_seeds_and_prompts(row) is verdict


@pytest.mark.parametrize(
    ("seeds", "p", "holm", "verdict"),
    [
        (4, 0.01, 0.03, Verdict.DIFFERENT),
        (4, 0.03, 0.06, Verdict.SUGGESTIVE),
        (4, 0.06, 0.12, Verdict.UNDECIDED),
        (1, np.nan, np.nan, Verdict.UNDECIDED),
        (0, np.nan, np.nan, Verdict.MISSING),
    ],
)
def test_over_seeds_alone_only_they_must_show(seeds, p, holm, verdict):
    assert judge_over_seeds({"seeds": seeds, "p": p, "p_holm": holm}) is verdict


def test_the_chance_of_a_hint_is_that_of_the_smallest_of_so_many_p_values():
    """P values are uniform where nothing differs: the smallest of six is below .05 in 26.5 %."""
    assert chance_of_a_hint(1) == pytest.approx(0.05)
    assert chance_of_a_hint(6) == pytest.approx(stats.beta(1, 6).cdf(0.05))
    assert chance_of_a_hint(0) == 0


def test_the_strongest_of_several_verdicts():
    weak = [Verdict.MISSING, Verdict.UNDECIDED, Verdict.THESE_POLICIES]
    assert strongest(weak) is Verdict.THESE_POLICIES
    assert strongest([*weak, Verdict.DIFFERENT, Verdict.SUGGESTIVE]) is Verdict.DIFFERENT
    assert strongest([]) is Verdict.MISSING


def test_the_change_by_the_largest_shift_is_paired_by_seed_at_the_largest_n():
    """Seeds 0, 1, 2 change by −1.0, −0.6, −0.2, so by −.5, −.3, −.1 sd; seed 3 misses one end."""
    rewards = {0: (2.0, 1.0), 1: (2.2, 1.6), 2: (2.4, 2.2), 3: (2.6, np.nan)}
    rows = [
        {"method": method, "n": n, "seed": seed, "shift": shift, "reward": reward + off}
        for method, n, off in (("dpo", 500, 0.0), ("dpo", 100, 50.0), ("pspo", 500, 70.0))
        for seed, (before, after) in rewards.items()
        for shift, reward in ((0.0, before), (2.0, 30.0), (4.0, after))
    ]
    runs = pd.DataFrame(rows)
    cells = runs.drop_duplicates(["method", "n", "shift"])
    mine = cells["method"].eq("dpo") & cells["n"].eq(500) & cells["shift"].eq(4.0)
    summary = cells.assign(
        shift_change_sd_prompts_low_given_seeds=np.where(mine, -0.6, 9.0),
        shift_change_sd_prompts_high_given_seeds=np.where(mine, 0.1, 9.0),
        shift_change_p_prompts_given_seeds=np.where(mine, 0.2, 0.001),
    )
    row = shift_change(runs, summary, 2.0, "dpo")
    test = stats.ttest_1samp([-0.5, -0.3, -0.1], 0)
    expected = test.confidence_interval(0.95)
    assert (row["shift_low"], row["shift_high"], row["seeds"]) == (0.0, 4.0, 3)
    assert row["difference_sd"] == pytest.approx(-0.3)
    assert row["difference_sd_seeds_low"] == pytest.approx(expected.low)
    assert row["difference_sd_seeds_high"] == pytest.approx(expected.high)
    assert row["p_seeds"] == row["p_seeds_holm"] == pytest.approx(test.pvalue)
    assert row["difference_sd_prompts_low_given_seeds"] == -0.6
    assert row["difference_sd_prompts_high_given_seeds"] == 0.1
    assert row["p_prompts_holm_given_seeds"] == 0.2
    assert shift_change(runs[runs["shift"] == 0], summary, 2.0, "dpo") is None
