"""Words that the findings of all studies share."""

import pytest

from prefgrid.report import words
from prefgrid.statistics.verdict import Verdict


@pytest.mark.parametrize(
    ("items", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_listing(items, text):
    assert words.listing(items) == text


def test_seeds():
    assert [words.seeds(count) for count in (1, 2.0, 1000)] == [
        "one seed",
        "2 seeds",
        "1,000 seeds",
    ]


def test_narrow_intervals_get_a_digit_more():
    """Widths .09, .11 and none: an interval that is missing is not narrow."""
    ends = ((0.01, 0.10), (0.01, 0.12), (float("nan"), float("nan")))
    assert [words.digits_for(low, high, 2, 0.1) for low, high in ends] == [3, 2, 2]


def test_headings_claim_no_more_than_the_verdict():
    headings = {
        verdict: words.shift_heading(1.5, verdict, "DPO", "PSPO differs from DPO", 1)
        for verdict in Verdict
    }
    assert headings == {
        Verdict.DIFFERENT: "Shift 1.5: PSPO differs from DPO",
        Verdict.SUGGESTIVE: (
            "Shift 1.5: a hint of a difference to DPO, not established "
            "(by chance in up to 5 % of reports)"
        ),
        Verdict.THESE_POLICIES: "Shift 1.5: no method can be told apart from DPO",
        Verdict.UNDECIDED: "Shift 1.5: no method can be told apart from DPO",
        Verdict.MISSING: "Shift 1.5: nothing to compare",
    }


def test_values_and_training_label():
    assert words.values([1000, 2000]) == "1,000, 2,000"
    assert words.values([0.0, 0.75]) == "0, 0.75"
    assert words.training_label(["DPO", "RSPO"], 2) == "Training"
    assert words.training_label(["DPO", "RSPO"], 3) == "Training of DPO, RSPO"
