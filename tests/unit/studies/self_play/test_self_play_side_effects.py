"""Findings on what comes with a win rate say what the tables show, and no more."""

import numpy as np
import pandas as pd
import pytest
import self_play_samples as made
from statsmodels.stats.multitest import multipletests

from prefgrid.files import reading
from prefgrid.studies.self_play import findings, side_effects

ROWS = made.GRID


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Of one seed."""
    runs = [run for run in made.RUNS if run["seed"] == 0]
    paths = made.tabulated(tmp_path_factory.mktemp("side_effects"), runs)
    return {name: reading.read_table(path) for name, path in paths.items()}


@pytest.fixture(scope="module")
def cells(tables):
    return findings.cells(tables["iterations"], tables["summary"])


AHEAD = "The training judge runs ahead of the held-out one in 2 of 3 runs"


def test_a_training_judge_that_runs_ahead_is_not_over_optimisation_by_itself(cells):
    """Both win rates rise to the last iterate."""
    found = side_effects.of_judges(cells)
    assert (found.heading, found.verdict) == (AHEAD, "measured")
    text = " ".join(found.sentences)
    assert "ver-optimised" not in text
    assert (
        "The held-out win rate still rises at the last iterate of SPPO with bt scores and GPO with bt scores."
        in text
    )
    assert "Not shown, which is no evidence of equality, for SPPO with bt closings." in text
    own = cells[(cells["judge"] == "bt_scores") & (cells["method"] == "gpo")]
    own = own[~own["average"].astype(bool) & (own["iteration"] > 0)]
    first = own.loc[own["judge_gap_low"] > 0, "iteration"].min()
    gap = f"{own['judge_gap'].iloc[-1]:+.3f}"
    assert f"GPO with bt scores {gap} [" in text
    assert f"first above 0 at iteration {first:.0f}" in text.split("GPO with bt scores")[1]
    assert findings.ONE_SEED in found.sentences
    several = side_effects.of_judges(cells.assign(seeds=3))
    assert findings.ONE_SEED not in several.sentences


def test_the_last_iterate_decides_after_holm_s_correction(cells):
    """Of three runs: an earlier iterate alone does not count, nor an interval before the correction."""
    p = cells["judge_gap_p"].where(cells["judge_gap_p_holm"].notna())
    wanted = multipletests(p.dropna(), method="holm")[1]
    assert cells["judge_gap_p_holm"].dropna().tolist() == pytest.approx(wanted.tolist())
    weak = cells.assign(judge_gap_p_holm=0.06)
    none = side_effects.of_judges(weak)
    assert none.heading == "The training judge runs ahead of the held-out one in 0 of 3 runs"
    assert "no evidence of equality" in " ".join(none.sentences)
    last = ~cells["average"].astype(bool) & (cells["iteration"] == made.ITERATIONS)
    back = cells.copy()
    back.loc[last, "judge_gap_low"] = -0.1
    assert "in 0 of 3 runs" in side_effects.of_judges(back).heading


@pytest.mark.parametrize(
    ("column", "value", "over"),
    [
        ("win_previous_high", 0.49, True),  # the last iterate loses to the one before
        ("win_base_high", 0.51, True),  # below the interval of an earlier iterate
        ("win_base", 0.51, False),  # lower, but within what chance does
    ],
)
def test_over_optimised_is_a_run_that_the_held_out_judge_says_got_worse(cells, column, value, over):
    worse, last = cells.copy(), cells["iteration"] == made.ITERATIONS
    own = last & ~cells["average"].astype(bool) & (cells["judge"] == "bt_scores")
    worse.loc[own & (cells["method"] == "gpo"), column] = value
    found = side_effects.of_judges(worse)
    said = "Over-optimised, as the held-out win rate falls: GPO with bt scores."
    assert (said in found.sentences) == over
    assert found.verdict == ("warning" if over else "measured")
    assert found.heading == AHEAD


def test_a_fall_from_any_earlier_iterate_counts(cells):
    """From the first to the last, which are two iterations apart; each step by itself is within its interval."""
    worse = cells.copy()
    gpo = ~cells["average"].astype(bool) & (cells["method"] == "gpo")
    for iteration, middle in ((1, 0.8), (2, 0.74), (3, 0.68)):
        own = gpo & (cells["iteration"] == iteration)
        worse.loc[own, ["win_base_low", "win_base", "win_base_high"]] = (
            middle - 0.05,
            middle,
            middle + 0.05,
        )
    found = side_effects.of_judges(worse)
    assert "Over-optimised, as the held-out win rate falls: GPO with bt scores." in found.sentences


def test_a_run_that_is_shown_neither_to_rise_nor_to_fall_is_named(cells):
    still = cells.assign(win_previous_low=0.45, win_previous_high=0.55)
    found = side_effects.of_judges(still)
    assert (
        "The held-out win rate is shown neither to rise to the last iterate nor to fall in SPPO with bt scores and "
        "GPO with bt scores." in found.sentences
    )


def test_scorers_whose_mean_fell_are_named(cells):
    assert not any("Mean score" in line for line in side_effects.of_judges(cells).sentences)
    less, last = cells.copy(), cells["iteration"] == made.ITERATIONS
    gpo = last & ~cells["average"].astype(bool) & (cells["method"] == "gpo")
    less.loc[gpo, ["score_score", "change_score_high"]] = [-0.62, -0.2]
    base = cells[(cells["method"] == "gpo") & (cells["iteration"] == 0)]["score_score"].iloc[0]
    before = f"{base:.2f}".replace("-", "−")
    assert (
        f"Mean score fell from {before} to −0.62 in GPO with bt scores, each with an interval below 0."
        in side_effects.of_judges(less).sentences
    )


def test_length_and_what_is_left_without_it(cells, tables):
    found = side_effects.of_length(cells)
    iterations = tables["iterations"]
    changes = []
    for _, own in iterations[~iterations["average"]].groupby(["judge", "method"]):
        changes.append(100 * (own["tokens"].iloc[-1] / own["tokens"].iloc[0] - 1))
    low, high = round(min(changes)), round(max(changes))
    wanted = f"+{low} %" if low == high else f"+{low} % to +{high} %"
    assert found.heading == f"Length changes by {wanted}"
    unknown = cells.assign(lc_win_base=np.nan, lc_win_base_low=np.nan)
    assert "at equal length not known" in side_effects.of_length(unknown).sentences[0]


def test_the_ring_s_policy_becomes_exploitable(cells):
    found = side_effects.of_classes(cells, ROWS)
    assert found.heading == (
        "The last iterate of SPPO with bt closings is more exploitable than the base"
    )
    own = cells[(cells["judge"] == "bt_closings") & ~cells["average"].astype(bool)]
    first, last = own["exploitability"].iloc[[0, -1]]
    assert f"from {first:.3f} to {last:.3f}" in found.sentences[0]
    assert "SPPO's theorem is about the mixture of the iterates" in found.sentences[1]
    assert "average of their weights, which is another policy" in found.sentences[1]
    assert found.sentences[-1] == findings.ONE_SEED
    less = cells.assign(exploitability_change_low=-0.2, exploitability_change_high=-0.1)
    assert "is less exploitable than the base" in side_effects.of_classes(less, ROWS).heading
    # An interval around 0 is no claim.
    none = cells.assign(exploitability_change_low=-0.1)
    assert side_effects.of_classes(none, ROWS).heading == (
        "The last iterate of SPPO with bt closings cannot be told apart from the base"
    )
    assert side_effects.of_classes(cells, ROWS[:1]) is None


def test_every_run_is_compared_with_its_own_base(cells):
    """Two methods of a judge, of which the second began elsewhere: sampled anew, or judged by other runs."""
    ring = cells["judge"] == "bt_closings"
    gpo = cells[ring].assign(method="gpo")
    gpo.loc[gpo["iteration"] == 0, ["exploitability", "tokens"]] = [0.321, 1234.0]
    gpo["exploitability_change_high"] = -0.01
    gpo["exploitability_change_low"] = -0.2
    # The second method's base stands first.
    both = pd.concat([gpo, cells], ignore_index=True)
    rows = [ROWS[0], {**ROWS[1], "methods": ["sppo", "gpo"]}]
    found = side_effects.of_classes(both, rows)
    assert found.heading == (
        "The last iterate of SPPO with bt closings is more exploitable than the base, that of GPO with bt closings is "
        "less exploitable than the base"
    )
    first = cells[ring & (cells["iteration"] == 0)]["exploitability"].iloc[0]
    assert f"SPPO with bt closings from {first:.3f} to" in found.sentences[0]
    assert "GPO with bt closings from 0.321 to" in found.sentences[0]
    [told, *_] = side_effects.of_length(both).sentences
    assert "GPO with bt closings 1,234.0" in told or "GPO with bt closings 1234.0" in told
    assert told.count("1234.0") + told.count("1,234.0") == 1
