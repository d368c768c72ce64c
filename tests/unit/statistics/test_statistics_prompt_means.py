"""Intervals of means over prompts."""

import numpy as np
import pytest
from scipy import stats

from prefgrid.statistics.prompt_means import over_prompts


def test_an_interval_over_prompts_stays_in_its_range_or_is_none():
    shares = np.array([0.0] * 19 + [1.0])
    found = over_prompts(shares, 0, 1)
    expected = stats.ttest_1samp(shares, 0).confidence_interval()
    assert expected.low < 0 == found.low and found.high == pytest.approx(expected.high)
    for values in (shares[1:], np.ones(20), np.array([])):
        found = over_prompts(values, 0, 1)
        assert np.isnan([found.low, found.high]).all() and found.count == len(values)
