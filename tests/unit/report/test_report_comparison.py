"""Sentences about comparisons: what both kinds of study get from the same kit."""

import pandas as pd
import pytest

from prefgrid.report import comparison
from prefgrid.report.scale import Scale
from prefgrid.statistics.verdict import Verdict

COLUMNS = {"value": "gap", "over_seeds": ("low", "high"), "digits": 2, "narrow": 0.1}
PROMPTS = {"over_prompts": ("prompts_low", "prompts_high"), "unit": "reference sd", "short": "sd"}


def _row(method, verdict, gap, *, seeds=3, width=0.2, prompts=(0.1, 0.3)):
    ends = {"low": gap - width / 2, "high": gap + width / 2}
    ends |= {"prompts_low": prompts[0], "prompts_high": prompts[1]}
    return {"method": method, "verdict": verdict, "gap": gap, "seeds": seeds} | ends


def _finding(*rows, **scale):
    made = Scale(lambda row: row["verdict"], **(COLUMNS | scale))
    names = {row["method"]: row["method"].upper() for row in rows}
    differences = made.differences(pd.DataFrame(rows), names) if rows else []
    finding = comparison.at_one_shift(1.5, "First.", differences, "DPO", made, 6)
    assert finding.sentences[0] == "First."
    return finding, " ".join(finding.sentences[1:]).replace("\u00a0", " ")


def test_the_columns_and_the_unit_are_the_studys():
    row = _row("pspo", Verdict.DIFFERENT, -0.5)
    _, plain = _finding(row)
    assert plain == "Below DPO, after Holm's correction: PSPO −0.50 [−0.60, −0.40]."
    _, both = _finding(row, **PROMPTS)
    assert both == (
        "PSPO lies 0.50 reference sd below DPO [−0.60, −0.40], over training seeds and over prompts."
    )


def test_both_sides_stand_in_the_heading():
    up, down = _row("a", Verdict.DIFFERENT, 0.5), _row("b", Verdict.DIFFERENT, -0.5)
    assert _finding(up, down)[0].heading == "Shift 1.5: A lies above DPO, B lies below DPO"
    assert _finding(up, down, **PROMPTS)[0].heading == "Shift 1.5: A and B differ from DPO"


def test_a_long_list_is_counted_in_the_heading_and_named_in_the_text():
    finding, text = _finding(*(_row(name, Verdict.DIFFERENT, 0.5) for name in "abcd"))
    assert finding.heading == "Shift 1.5: 4 methods lie above DPO"
    assert all(f"{name} +0.50" in text for name in "ABCD")


@pytest.mark.parametrize("scale", [{}, PROMPTS])
def test_a_hint_is_printed_with_the_rate_of_its_family(scale):
    """1 − .95⁶ = .265."""
    finding, text = _finding(_row("a", Verdict.SUGGESTIVE, 0.5), **scale)
    assert finding.heading == (
        "Shift 1.5: a hint of a difference to DPO, not established "
        "(by chance in up to 26 % of reports)"
    )
    assert text.endswith(
        "Chance alone gives 6 comparisons at least one hint in up to 26 of 100 reports (1 − 0.95^6)."
    )
    assert "Chance" not in _finding(_row("a", Verdict.DIFFERENT, 0.5), **scale)[1]


def test_policies_that_differ_do_so_after_the_correction():
    row = _row("a", Verdict.THESE_POLICIES, 0.2, width=1.0)
    finding, text = _finding(row, **PROMPTS)
    assert finding.heading == "Shift 1.5: no method can be told apart from DPO"
    assert text.endswith(
        "Compared prompt by prompt, the policies trained here do differ from DPO's after Holm's "
        "correction (A [+0.10, +0.30]); that says nothing about other training seeds."
    )


@pytest.mark.parametrize(("scale", "unit"), [({}, "."), (PROMPTS, " sd.")])
def test_what_is_undecided_is_never_equal(scale, unit):
    finding, text = _finding(_row("a", Verdict.UNDECIDED, 0.1, width=1.0), **scale)
    assert finding.heading == "Shift 1.5: no method can be told apart from DPO"
    assert "This is not evidence of equality" in text and text.endswith(f"up to 0.60{unit}")


@pytest.mark.parametrize("scale", [{}, PROMPTS])
def test_what_is_missing_is_named_with_no_number(scale):
    nothing = float("nan")
    row = _row("a", Verdict.MISSING, nothing, seeds=0, prompts=(nothing, nothing))
    finding, text = _finding(row, **scale)
    assert (finding.heading, text) == (
        "Shift 1.5: nothing to compare",
        "Missing at this KL: A.",
    )


def test_the_effect_of_the_link_names_the_others_range():
    scale = Scale(lambda row: row["verdict"], **COLUMNS)
    own, best, worst = (
        scale.difference(_row(name, Verdict.DIFFERENT, gap), name.upper())
        for name, gap in (("dpo", -0.5), ("a", -0.1), ("b", -0.9))
    )
    heading = comparison.effect_of_the_link((0, 4), own, 1.0, scale, [worst, best]).heading
    assert heading == "Effect of the link: DPO −0.50, the others from B −0.90 to A −0.10"
    alone = comparison.effect_of_the_link((0, 4), own, 1.0, scale)
    assert alone.heading == "The shifted link lowers DPO's reward"
    assert len(alone.sentences) == 1
