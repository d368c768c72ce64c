"""Reports of grids in which nothing differs seldom say that something does.

A light version of `null_reports`, which gives the shares themselves: 80 reports of a grid, the same
ones every time. A share of 5 % gives eleven or more in 80 with probability 0.002.
"""

import null_reports
import pytest

REPORTS = 80
MOST_AT_FIVE_PERCENT = 10.5 / REPORTS


@pytest.fixture(scope="module")
def language_models():
    return null_reports.shares(null_reports.link_robustness_report, REPORTS)


@pytest.fixture(scope="module")
def single_index():
    """With published variants: 18 + 9 comparisons in one table."""
    return null_reports.shares(null_reports.single_index_report, REPORTS, variants=True)


@pytest.mark.parametrize(
    "kind",
    [
        "table: a p (Holm) below 0.05",
        "heading: a difference",
        "heading: a difference of variants",
        "heading: effect of the link",
        "text: the policies trained here do differ",
        "text: the same prompts do change",
    ],
)
@pytest.mark.parametrize("study", ["language_models", "single_index"])
def test_claims_keep_their_error_rate(study, kind, request):
    found = request.getfixturevalue(study)
    assert found.get(kind, 0.0) < MOST_AT_FIVE_PERCENT


@pytest.mark.parametrize(("study", "comparisons"), [("language_models", 6), ("single_index", 18)])
def test_hints_come_as_often_as_the_heading_says(study, comparisons, request):
    """Within three standard errors of 1 − .95^m, less the few headings that a difference takes."""
    found = request.getfixturevalue(study)["heading: a hint of a difference"]
    rate = 1 - 0.95**comparisons
    error = (rate * (1 - rate) / REPORTS) ** 0.5
    assert rate - 3 * error - 0.05 < found < rate + 3 * error


def test_policies_that_do_differ_are_said_to():
    """The correction does not silence the sentence: with seeds of their own, policies differ."""
    found = null_reports.shares(null_reports.link_robustness_report, 20, seed_sd=0.1)
    assert found["text: the policies trained here do differ"] > 0.5
