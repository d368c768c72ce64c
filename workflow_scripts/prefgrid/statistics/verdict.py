"""What a difference shows: one rule for each kind of study, and the numbers they judge.

Nothing is called different before Holm's correction has been applied, and a difference that does
not show is undecided, never absent.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import pandas as pd

from prefgrid.statistics.intervals import LEVEL, t_interval, t_test_p


class Verdict(StrEnum):
    """What one difference to the baseline shows; the strongest first."""

    DIFFERENT = "different"  # after Holm's correction, by all the kinds of uncertainty there are
    SUGGESTIVE = "suggestive"  # over seeds before the correction, but not all of the above
    THESE_POLICIES = "these policies only"  # over prompts after the correction, given the policies
    UNDECIDED = "indistinguishable"
    MISSING = "missing"


def judge_over_seeds_and_prompts(difference: Mapping[str, float], level: float = LEVEL) -> Verdict:
    """Verdict on one row of `comparison.differences`.

    A difference must show over seeds *and* over prompts: a few seeds that agree by luck give a
    tiny p value for a difference that the evaluation prompts cannot even tell from 0.
    """
    if difference["seeds"] == 0:
        return Verdict.MISSING
    # Comparisons with NaN are false: one seed gives no interval over seeds.
    if difference["p_seeds_holm"] < 1 - level and excludes_zero_over_prompts(difference):
        return Verdict.DIFFERENT
    if difference["p_seeds"] < 1 - level:
        return Verdict.SUGGESTIVE
    if difference["p_prompts_holm_given_seeds"] < 1 - level:
        return Verdict.THESE_POLICIES
    return Verdict.UNDECIDED


def judge_over_seeds(difference: Mapping[str, float], level: float = LEVEL) -> Verdict:
    """Verdict on one row of `contrasts.paired`, where rewards are exact and only seeds are random."""
    if difference["seeds"] == 0:
        return Verdict.MISSING
    # Comparisons with NaN, of one seed, are false.
    if difference["p_holm"] < 1 - level:
        return Verdict.DIFFERENT
    return Verdict.SUGGESTIVE if difference["p"] < 1 - level else Verdict.UNDECIDED


def chance_of_a_hint(comparisons: int, level: float = LEVEL) -> float:
    """How likely at least one of so many p values, uncorrected, is below 1 − `level` by chance alone.

    Exact where the comparisons are independent. Those to one baseline share its runs, which makes it
    less likely: by 2 of 37 points for three methods at three shifts with five seeds.
    """
    return 1 - level**comparisons


def strongest(verdicts: Iterable[Verdict]) -> Verdict:
    """The first in the order of `Verdict`; of none, MISSING."""
    found = set(verdicts)
    return next((verdict for verdict in Verdict if verdict in found), Verdict.MISSING)


def excludes_zero_over_prompts(difference: Mapping[str, float]) -> bool:
    """Whether the prompt interval of a row of `comparison.differences` lies on one side of 0."""
    low, high = (difference[f"difference_sd_prompts_{end}_given_seeds"] for end in ("low", "high"))
    return bool(low > 0 or high < 0)


def shift_change(
    runs: pd.DataFrame, summary: pd.DataFrame, reward_sd: float, method: str
) -> dict[str, float] | None:
    """What the largest shift changes for one method at the largest n; None with a single shift.

    `runs`: table of `comparison.runs_at_kl`; `summary`: table of `comparison.summarise`, for the
    change of the same prompts; `reward_sd`: the reference's, the unit of the change. The row is for
    `judge_over_seeds_and_prompts`: columns as in `comparison.differences`, and `shift_low,
    shift_high`. Paired by seed; it is one comparison, so there is nothing to correct.
    """
    n, low, high = runs["n"].max(), runs["shift"].min(), runs["shift"].max()
    if low == high:
        return None
    own = runs[(runs["method"] == method) & (runs["n"] == n)].set_index(["seed", "shift"])
    by_shift = own["reward"].unstack().reindex(columns=[low, high])
    by_seed = ((by_shift[high] - by_shift[low]) / reward_sd).to_numpy()
    change, p_seeds = t_interval(by_seed), t_test_p(by_seed)
    cell = summary.set_index(["method", "shift", "n"]).loc[(method, high, n)]
    return {
        "shift_low": low,
        "shift_high": high,
        "seeds": change.count,
        "difference_sd": change.mean,
        "difference_sd_seeds_low": change.low,
        "difference_sd_seeds_high": change.high,
        "p_seeds": p_seeds,
        "p_seeds_holm": p_seeds,
        **{
            f"difference_sd_prompts_{end}_given_seeds": cell[
                f"shift_change_sd_prompts_{end}_given_seeds"
            ]
            for end in ("low", "high")
        },
        "p_prompts_holm_given_seeds": cell["shift_change_p_prompts_given_seeds"],
    }
