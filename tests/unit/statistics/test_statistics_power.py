"""How many seeds a difference needs."""

import numpy as np
import pytest

from prefgrid.statistics.power import MOST_SEEDS, paired_power, seeds_needed


def test_the_power_under_no_effect_is_the_significance():
    assert paired_power(0.0, 5) == pytest.approx(0.05)
    assert paired_power(0.0, 5, significance=0.2) == pytest.approx(0.2)


def test_one_sd_needs_ten_seeds():
    """The textbook case: effect 1, level 5 %, power 80 % → 9.94, so 10 (Cohen 1988, paired t)."""
    assert seeds_needed(0.3, 0.3) == 10
    assert seeds_needed(-0.3, 0.3) == 10
    assert paired_power(1.0, 9) < 0.8 <= paired_power(1.0, 10)


def test_the_ends():
    """No difference is never seen; without any spread two seeds suffice, and are needed."""
    assert seeds_needed(0.0, 0.3) == MOST_SEEDS
    assert seeds_needed(1e-6, 0.3) == MOST_SEEDS
    assert seeds_needed(0.0, 0.0) == MOST_SEEDS
    assert seeds_needed(0.1, 0.0) == 2
    assert seeds_needed(1.0, 1e-9) == 2
    assert np.isnan(seeds_needed(np.nan, 0.3))
    assert np.isnan(seeds_needed(0.3, np.nan))
