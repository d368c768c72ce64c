"""Index calibration summaries."""

import numpy as np
import pandas as pd
import pytest
import synthetic_study as study

from prefgrid.statistics import calibration
from prefgrid.statistics.intervals import wilson_interval


def test_pair_accuracy_counts_ties_half_and_leaves_out_equal_utilities():
    """Pairs: right, wrong, tie, left out → (1 + 0 + ½)/3."""
    index, utility = np.array([1.0, -2.0, 0.0, 5.0]), np.array([2.0, 1.0, -1.0, 0.0])
    assert calibration.pair_accuracy(index, utility) == pytest.approx(0.5)
    assert np.isnan(calibration.pair_accuracy(np.ones(2), np.zeros(2)))


def test_calibration_error_by_hand():
    """Bins [.1, .2): predicted .15, true .25; [.9, 1]: predicted 1, true .7 → (1·.1 + 1·.3)/2."""
    error = calibration.calibration_error(np.array([0.15, 1.0]), np.array([0.25, 0.7]))
    assert error == pytest.approx(0.2)


def test_a_true_link_is_calibrated():
    truth = np.linspace(0.01, 0.99, 50)
    assert calibration.calibration_error(truth, truth) == 0


def test_summary_ignores_the_index_scale_where_it_should():
    pairs = study.indices(["dpo"], (0,), (0.0,))
    scaled = pairs.assign(index_nats=7 * pairs["index_nats"])
    first, second = calibration.summarise(pairs), calibration.summarise(scaled)
    for name in ("pearson", "spearman", "pair_accuracy"):
        assert first[name] == pytest.approx(second[name])
    assert second["index_sd_nats"] == pytest.approx(7 * first["index_sd_nats"])


def test_a_constant_index_has_no_correlation():
    pairs = study.indices(["dpo"], (0,), (0.0,)).assign(index_nats=0.0)
    summary = calibration.summarise(pairs)
    assert np.isnan(summary["spearman"])
    assert summary["pair_accuracy"] == 0.5


def test_without_a_link_only_the_calibration_error_is_missing():
    """NaN predictions of one method: an empty cell of its row, the other row as it was."""
    pairs = study.indices(["dpo", "hinge"], (0, 1), (0.0,))
    bare = pairs.assign(
        link_probability=pairs["link_probability"].where(pairs["method"] != "hinge")
    )
    first, second = (calibration.table(frame, ["dpo", "hinge"]) for frame in (pairs, bare))
    assert second["calibration_error"].isna().tolist() == [False, True]
    first.loc[1, "calibration_error"] = np.nan
    pd.testing.assert_frame_equal(first, second)


def test_bins_hold_all_pairs_in_order():
    rng = np.random.default_rng(0)
    bins = calibration.binned(rng.normal(size=103), rng.uniform(size=103))
    assert bins["pairs"].sum() == 103
    assert bins["index"].is_monotonic_increasing
    assert len(calibration.binned(np.arange(3.0), np.ones(3))) == 1


def test_table_has_one_row_a_cell_in_the_order_of_methods():
    table = calibration.table(study.indices(["pspo", "dpo"]), ["pspo", "dpo"])
    assert table["method"].tolist() == ["pspo", "dpo", "pspo", "dpo"]
    assert table["seeds"].tolist() == [2] * 4
    assert isinstance(table, pd.DataFrame)


def test_pair_accuracy_has_wilsons_interval_over_the_pairs_of_one_seed():
    """240 pairs in each of two seeds: the interval of 240, not of 480."""
    row = calibration.table(study.indices(["dpo"], (0, 1), (0.0,)), ["dpo"]).iloc[0]
    assert row["pairs_decided"] == 240
    expected = wilson_interval(240 * row["pair_accuracy"], 240)
    assert (row["pair_accuracy_low"], row["pair_accuracy_high"]) == expected[1:3]
    undecided = study.indices(["dpo"], (0,), (0.0,)).assign(utility_diff=0.0)
    assert np.isnan(calibration.table(undecided, ["dpo"]).iloc[0]["pair_accuracy_low"])
