"""The link-robustness study's findings claim what the tables show, and no more."""

import numpy as np
import pandas as pd
import pytest

from prefgrid.statistics.verdict import Verdict
from prefgrid.studies.link_robustness.findings import link_finding, shift_finding

NAMES = {"dpo": "DPO", "pspo": "PSPO", "ospo": "OSPO"}


def _difference(
    method="pspo",
    seeds=4,
    p=0.5,
    holm=1.0,
    low=-0.1,
    high=0.1,
    prompts=(-0.1, 0.1),
    prompts_holm=1.0,
):
    return {
        "method": method,
        "shift": 4.0,
        "n": 500,
        "baseline": "dpo",
        "seeds": seeds,
        "difference_sd": (low + high) / 2 if seeds else np.nan,
        "difference_sd_seeds_low": low if seeds > 1 else np.nan,
        "difference_sd_seeds_high": high if seeds > 1 else np.nan,
        "p_seeds": p if seeds > 1 else np.nan,
        "p_seeds_holm": holm if seeds > 1 else np.nan,
        "difference_sd_prompts_low_given_seeds": prompts[0],
        "difference_sd_prompts_high_given_seeds": prompts[1],
        "p_prompts_holm_given_seeds": prompts_holm,
        "prompts": 60,
    }


def _finding(*rows, seeds=4):
    summary = pd.DataFrame(
        [
            {
                "method": method,
                "shift": 4.0,
                "n": 500,
                "kappa_nats": 0.5,
                "seeds": seeds,
                "gain_sd": 0.8,
                "gain_sd_seeds_low": 0.6,
                "gain_sd_seeds_high": 1.0,
            }
            for method in NAMES
        ]
    )
    columns = list(_difference())
    finding = shift_finding(4.0, summary, pd.DataFrame(list(rows), columns=columns), NAMES, "dpo")
    return finding, " ".join(finding.sentences)


def test_indistinguishable_methods_are_called_so_and_not_equal():
    finding, text = _finding(_difference(), _difference("ospo", low=-0.3, high=0.2))
    assert finding.heading == "Shift 4: no method can be told apart from DPO"
    assert "not evidence of equality" in text
    assert "up to 0.30 sd" in text


def test_a_difference_is_named_with_its_direction():
    finding, text = _finding(
        _difference(p=0.001, holm=0.002, low=-0.3, high=-0.1, prompts=(-0.25, -0.15)),
        _difference("ospo"),
    )
    assert finding.heading == "Shift 4: PSPO differs from DPO"
    assert "PSPO lies 0.20 reference sd below DPO [−0.30, −0.10], over training seeds and" in text
    assert "Not distinguishable from DPO over training seeds: OSPO" in text


def test_a_difference_before_correction_only_is_a_hint():
    finding, text = _finding(_difference(p=0.02, holm=0.12, low=0.1, high=0.3, prompts=(0.1, 0.3)))
    assert "not established (by chance in up to 5 % of reports)" in finding.heading
    assert "not after Holm's correction" in text


def test_the_rate_of_hints_is_that_of_the_comparisons_at_this_n():
    """At n = 500 two shifts of two methods, one of them with no p value; n = 100 has no finding."""
    hint = _difference(p=0.02, holm=0.12, low=0.1, high=0.3, prompts=(0.1, 0.3))
    others = [
        _difference("ospo"),
        _difference() | {"shift": 0.0},
        _difference("ospo", seeds=1) | {"shift": 0.0},
        _difference() | {"n": 100},
    ]
    finding, text = _finding(hint, *others)
    assert "up to 14 % of reports" in finding.heading
    assert "3 comparisons at least one hint in up to 14 of 100 reports (1 − 0.95^3)" in text


def test_two_seeds_that_agree_by_luck_are_no_difference():
    """−0.0090 and −0.0102: mean −.0096, se .0006, t = 16, p = .040 with one degree of freedom."""
    finding, text = _finding(
        _difference(seeds=2, p=0.04, holm=0.04, low=-0.0172, high=-0.002, prompts=(-0.11, 0.09))
    )
    assert finding.verdict is Verdict.SUGGESTIVE
    assert "not established" in finding.heading
    assert "cannot be told from 0 ([−0.11, +0.09]); few seeds can agree by chance" in text


def test_a_difference_of_these_policies_is_no_claim_about_methods():
    finding, text = _finding(_difference(prompts=(0.02, 0.2), prompts_holm=0.04))
    assert "no method can be told apart" in finding.heading
    assert "says nothing about other training seeds" in text
    _, text = _finding(_difference(prompts=(0.02, 0.2), prompts_holm=0.06))
    assert "policies trained here" not in text


def test_one_seed_says_nothing_about_methods():
    _, text = _finding(_difference(seeds=1), seeds=1)
    assert "With one seed nothing can be said about the methods themselves" in text
    assert "t interval" not in text


def test_missing_and_lonely():
    _, text = _finding(_difference(seeds=0, prompts=(np.nan, np.nan)))
    assert "Missing at this KL: PSPO." in text
    finding, text = _finding()
    assert "no other method" in text
    assert finding.verdict is Verdict.MISSING


def _runs(rewards: dict[tuple[int, float], float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"method": "dpo", "n": 500, "seed": seed, "shift": shift, "reward": reward}
            for (seed, shift), reward in rewards.items()
        ]
    )


def _effect(rewards, prompts=(-0.6, -0.4), prompts_p=0.001):
    """Reward sd 2; `prompts`: the interval of the change over prompts, `prompts_p`: its p value."""
    runs = _runs(rewards)
    summary = runs.drop_duplicates(["method", "n", "shift"]).assign(
        shift_change_sd_prompts_low_given_seeds=prompts[0],
        shift_change_sd_prompts_high_given_seeds=prompts[1],
        shift_change_p_prompts_given_seeds=prompts_p,
    )
    return link_finding(runs, summary, 2.0, "dpo", "DPO", 0.5)


# Changes of −1.000 and −0.999, so −0.5 sd in both seeds; of −1.0 and −0.1.
CLEAR = {(0, 0.0): 2.0, (1, 0.0): 2.1, (0, 4.0): 1.0, (1, 4.0): 1.101}
VAGUE = {(0, 0.0): 2.0, (1, 0.0): 2.1, (0, 4.0): 1.0, (1, 4.0): 2.0}


def test_effect_of_the_link():
    finding = _effect(CLEAR)
    assert finding.heading == "The shifted link lowers DPO's reward"
    assert finding.verdict is Verdict.DIFFERENT
    assert "over prompts, given the seeds, [−0.60, −0.40]" in finding.sentences[0]
    vague = _effect(VAGUE, prompts=(-0.5, 0.1), prompts_p=0.2)
    assert "not settled" in vague.heading and vague.verdict is Verdict.UNDECIDED
    single = _effect({(0, 0.0): 2.0, (0, 4.0): 1.0})
    assert "one seed" in single.heading
    assert "−0.50 reference sd" in single.sentences[0]
    assert "nothing about other training seeds" in single.sentences[0]
    assert _effect({(0, 0.0): 2.0}) is None


@pytest.mark.parametrize("prompts", [(-0.7, 0.1), (-0.7, 0.0), (np.nan, np.nan)])
def test_two_seeds_that_agree_by_luck_are_no_effect_of_the_link(prompts):
    finding = _effect(CLEAR, prompts)
    assert finding.verdict is Verdict.SUGGESTIVE
    assert finding.heading == (
        "Effect of the link: a hint, not established (by chance in up to 5 % of reports)"
    )
    assert "few seeds can agree by chance" in finding.sentences[0]
    assert "nan" not in finding.sentences[0]


def test_an_effect_over_prompts_alone_is_one_of_these_policies():
    finding = _effect(VAGUE)
    assert finding.verdict is Verdict.THESE_POLICIES
    assert "not settled" in finding.heading
    assert "for the policies trained here ([−0.60, −0.40])" in finding.sentences[0]


def test_an_effect_of_the_link_without_both_shifts_is_missing():
    finding = _effect({(0, 0.0): 2.0, (1, 4.0): 1.0})
    assert finding.verdict is Verdict.MISSING
