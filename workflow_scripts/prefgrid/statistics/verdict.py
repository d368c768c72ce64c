"""Findings in sentences, generated from the tables and claiming no more than they show."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from prefgrid.statistics.intervals import LEVEL, t_interval


class Verdict(StrEnum):
    """What one difference to the baseline shows."""

    DIFFERENT = "different"  # over seeds, after Holm's correction
    SUGGESTIVE = "suggestive"  # over seeds, before the correction only
    THESE_POLICIES = "these policies only"  # over prompts, given the trained policies
    UNDECIDED = "indistinguishable"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One finding: `heading`, `text` (plain sentences), `verdict` for its colour."""

    heading: str
    text: str
    verdict: Verdict


def judge(difference: Mapping[str, float], level: float = LEVEL) -> Verdict:
    """Verdict on one row of `comparison.differences`."""
    if difference["seeds"] == 0:
        return Verdict.MISSING
    # Comparisons with NaN are false: one seed gives no interval over seeds.
    if difference["p_seeds_holm"] < 1 - level:
        return Verdict.DIFFERENT
    if difference["p_seeds"] < 1 - level:
        return Verdict.SUGGESTIVE
    low = difference["difference_sd_prompts_low_given_seeds"]
    high = difference["difference_sd_prompts_high_given_seeds"]
    if low > 0 or high < 0:
        return Verdict.THESE_POLICIES
    return Verdict.UNDECIDED


def shift_finding(
    shift: float,
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    names: Mapping[str, str],
    baseline: str,
) -> Finding:
    """Can the methods be told apart from the baseline at this shift, at the largest n?

    `summary`, `differences`: tables of `comparison`. `names`: label → display name.
    """
    n = int(summary["n"].max())
    own = summary[(summary["shift"] == shift) & (summary["n"] == n)].set_index("method")
    rows = differences[(differences["shift"] == shift) & (differences["n"] == n)]
    verdicts = {row["method"]: judge(row) for row in rows.to_dict("records")}
    by_method = {row["method"]: row for row in rows.to_dict("records")}
    name = names[baseline] if baseline in names else baseline
    sentences = [_level(own, baseline, name)]

    def listed(wanted: Verdict) -> list[str]:
        return [method for method, verdict in verdicts.items() if verdict is wanted]

    different, suggestive = listed(Verdict.DIFFERENT), listed(Verdict.SUGGESTIVE)
    for method in different:
        sentences.append(f"{_signed(by_method[method], names, name)}, over training seeds.")
    for method in suggestive:
        sentences.append(
            f"{_signed(by_method[method], names, name)}: the interval over seeds excludes 0, but "
            "not after Holm's correction for the number of comparisons."
        )
    undecided = listed(Verdict.UNDECIDED) + listed(Verdict.THESE_POLICIES)
    if undecided:
        sentences.append(_undecided(undecided, by_method, names, name))
    these = listed(Verdict.THESE_POLICIES)
    if these:
        detail = ", ".join(
            f"{names[method]} {_interval(by_method[method], 'prompts', '_given_seeds')}"
            for method in these
        )
        sentences.append(
            "For the policies trained here, compared prompt by prompt, the difference does "
            f"exclude 0 ({detail}); that says nothing about other training seeds."
        )
    missing = listed(Verdict.MISSING)
    if missing:
        sentences.append(f"Missing at this KL: {_and(missing, names)}.")
    if not len(rows):
        sentences.append("There is no other method to compare with.")
    strongest = next((v for v in Verdict if v in verdicts.values()), Verdict.MISSING)
    return Finding(_heading(shift, strongest, different, names, name), " ".join(sentences), strongest)


def link_finding(
    runs: pd.DataFrame, reward_sd: float, baseline: str, name: str, kappa_nats: float
) -> Finding | None:
    """What the largest shift costs the baseline, paired by seed; None with a single shift.

    `runs`: table of `comparison.runs_at_kl`; `reward_sd`: the reference's, the unit of the answer.
    """
    own = runs[(runs["method"] == baseline) & (runs["n"] == runs["n"].max())]
    by_shift = own.pivot(index="seed", columns="shift", values="reward")
    if by_shift.shape[1] < 2:
        return None
    low, high = by_shift.columns.min(), by_shift.columns.max()
    change = t_interval(((by_shift[high] - by_shift[low]) / reward_sd).to_numpy())
    what = f"Changing the link from shift {low:g} to {high:g} changes {name}'s reward at KL {kappa_nats:g}"
    if change.count == 0:
        return Finding("Effect of the link: missing", f"{what} by an unknown amount: no seed reaches this KL at both shifts.", Verdict.MISSING)
    text = f"{what} by {_number(change.mean)} reference sd ({_seeds(change.count)}"
    if change.count == 1:
        return Finding("Effect of the link: one seed", f"{text}, so no interval).", Verdict.UNDECIDED)
    text += f", 95 % t interval {_range(change.low, change.high)})."
    if change.excludes(0):
        verb = "lowers" if change.mean < 0 else "raises"
        return Finding(f"The shifted link {verb} {name}'s reward", text, Verdict.DIFFERENT)
    return Finding(
        "Effect of the link: not settled",
        f"{text} The interval contains 0: with these seeds the effect is not established.",
        Verdict.UNDECIDED,
    )


def _level(own: pd.DataFrame, baseline: str, name: str) -> str:
    if baseline not in own.index or own.loc[baseline, "seeds"] == 0:
        return f"{name} has no value at this KL."
    row = own.loc[baseline]
    text = f"At KL {row['kappa_nats']:g}, {name} gains {row['gain_sd']:.2f} reference sd over the reference"
    if row["seeds"] == 1:
        return f"{text} (one seed, no interval over seeds)."
    limits = _range(row["gain_sd_seeds_low"], row["gain_sd_seeds_high"])
    return f"{text} ({_seeds(row['seeds'])}, 95 % t interval {limits})."


def _undecided(
    methods: list[str], rows: Mapping[str, dict], names: Mapping[str, str], baseline: str
) -> str:
    counts = {int(rows[method]["seeds"]) for method in methods}
    detail = ", ".join(
        f"{names[method]} {_number(rows[method]['difference_sd'])}"
        + (f" {_interval(rows[method], 'seeds')}" if rows[method]["seeds"] > 1 else "")
        for method in methods
    )
    if counts == {1}:
        return (
            f"With one seed nothing can be said about the methods themselves (differences to "
            f"{baseline} in reference sd: {detail})."
        )
    return (
        f"Not distinguishable from {baseline} over training seeds: {_and(methods, names)} "
        f"(differences in reference sd with 95 % t intervals: {detail})."
    )


def _heading(
    shift: float, verdict: Verdict, different: list[str], names: Mapping[str, str], baseline: str
) -> str:
    start = f"Shift {shift:g}: "
    if verdict is Verdict.DIFFERENT:
        return f"{start}{_and(different, names)} {'differs' if len(different) == 1 else 'differ'} from {baseline}"
    if verdict is Verdict.SUGGESTIVE:
        return f"{start}a hint of a difference to {baseline}, not established"
    if verdict is Verdict.MISSING:
        return f"{start}nothing to compare"
    return f"{start}no method can be told apart from {baseline}"


def _signed(row: Mapping[str, float], names: Mapping[str, str], baseline: str) -> str:
    word = "above" if row["difference_sd"] > 0 else "below"
    return (
        f"{names[row['method']]} lies {abs(row['difference_sd']):.2f} reference sd {word} {baseline} "
        f"{_interval(row, 'seeds')}"
    )


def _interval(row: Mapping[str, float], over: str, suffix: str = "") -> str:
    low, high = (row[f"difference_sd_{over}_{end}{suffix}"] for end in ("low", "high"))
    return _range(low, high)


def _range(low: float, high: float) -> str:
    return f"[{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    """Two decimals with a sign and a real minus."""
    return f"{value:+.2f}".replace("-", "−")


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{int(count)} seeds"


def _and(methods: list[str], names: Mapping[str, str]) -> str:
    shown = [names[method] for method in methods]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
