"""Numbers as the page prints them: their side of 0 is always seen."""

import numpy as np
import pytest

from prefgrid.report.blocks import interval, number


@pytest.mark.parametrize(
    ("value", "digits", "plain", "signed"),
    [
        (1.234, 2, "1.23", "+1.23"),
        (-1.234, 2, "−1.23", "−1.23"),
        (np.float64(-0.005), 2, "−0.01", "−0.01"),  # in binary a little more than a half
        (-0.0049, 2, "−0.005", "−0.005"),
        (-0.0004, 2, "−0.0004", "−0.0004"),
        (0.0004, 2, "0.0004", "+0.0004"),
        (0.00996, 2, "0.01", "+0.01"),
        (-0.000004, 2, "−4e−06", "−4e−06"),
        (3e-17, 3, "3e−17", "+3e−17"),
        (0.0, 2, "0.00", "0.00"),
        (-0.0, 2, "0.00", "0.00"),
        (0, 2, "0.00", "0.00"),
        (float("nan"), 2, None, None),
    ],
)
def test_only_zero_reads_as_zero(value, digits, plain, signed):
    assert number(value, digits) == plain
    assert number(value, digits, signed=True) == signed


def test_an_interval_shows_that_it_excludes_zero():
    assert interval(-0.31, -0.0042, 2, signed=True) == "[−0.31, −0.004]"
    assert interval(-0.31, 0.0042, 2, signed=True) == "[−0.31, +0.004]"
    assert interval(0.0003, 0.2, 3) == "[0.0003, 0.200]"
    assert interval(float("nan"), 0.2) is None
