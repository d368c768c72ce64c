"""Cells of columns that the studies share."""

import pytest

from prefgrid.report import columns


@pytest.mark.parametrize(
    ("seeds", "needed", "text"),
    [
        (0, float("nan"), None),
        (2, float("nan"), "not from 2 seeds"),
        (3, float("nan"), "not from 3 seeds"),
        (4, 17.0, "17"),
        (4, 1000.0, "≥ 1,000"),
    ],
)
def test_seeds_needed_say_why_there_is_no_number(seeds, needed, text):
    assert columns.needed("seeds").text({"seeds": seeds, "seeds_needed": needed}) == text
