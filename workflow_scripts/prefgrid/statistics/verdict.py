"""Findings in sentences, generated from the tables and claiming no more than they show."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from prefgrid.statistics.intervals import LEVEL, t_interval, t_test_p


class Verdict(StrEnum):
    """What one difference to the baseline shows."""

    DIFFERENT = "different"  # over seeds after Holm's correction, and over prompts
    SUGGESTIVE = "suggestive"  # over seeds before the correction, but not all of the above
    THESE_POLICIES = "these policies only"  # over prompts, given the trained policies
    UNDECIDED = "indistinguishable"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One finding: `heading`, `sentences` (the first carries the result), `verdict`."""

    heading: str
    sentences: list[str]
    verdict: Verdict


def judge(difference: Mapping[str, float], level: float = LEVEL) -> Verdict:
    """Verdict on one row of `comparison.differences`.

    A difference must show over seeds *and* over prompts: a few seeds that agree by luck give a
    tiny p value for a difference that the evaluation prompts cannot even tell from 0.
    """
    if difference["seeds"] == 0:
        return Verdict.MISSING
    over_prompts = _excludes_zero_over_prompts(difference)
    # Comparisons with NaN are false: one seed gives no interval over seeds.
    if difference["p_seeds_holm"] < 1 - level and over_prompts:
        return Verdict.DIFFERENT
    if difference["p_seeds"] < 1 - level:
        return Verdict.SUGGESTIVE
    return Verdict.THESE_POLICIES if over_prompts else Verdict.UNDECIDED


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
    here = differences[(differences["shift"] == shift) & (differences["n"] == n)]
    rows = {row["method"]: row for row in here.to_dict("records")}
    verdicts = {method: judge(row) for method, row in rows.items()}
    name = names.get(baseline, baseline)

    def having(*wanted: Verdict) -> list[str]:
        return [method for method, verdict in verdicts.items() if verdict in wanted]

    sentences = [_level(own, baseline, name)]
    for method in having(Verdict.DIFFERENT):
        sentences.append(
            f"{_signed(rows[method], names, name)}, over training seeds and over prompts."
        )
    for method in having(Verdict.SUGGESTIVE):
        sentences.append(f"{_signed(rows[method], names, name)}: {_why_a_hint(rows[method])}.")
    undecided = having(Verdict.UNDECIDED, Verdict.THESE_POLICIES)
    if undecided:
        sentences.append(_undecided(undecided, rows, names, name))
    these = having(Verdict.THESE_POLICIES)
    if these:
        detail = ", ".join(
            f"{names[method]} {_interval(rows[method], 'prompts', '_given_seeds')}"
            for method in these
        )
        sentences.append(
            "Compared prompt by prompt, the policies trained here do differ from "
            f"{name}'s ({detail}); that says nothing about other training seeds."
        )
    if having(Verdict.MISSING):
        sentences.append(f"Missing at this KL: {_and(having(Verdict.MISSING), names)}.")
    if not rows:
        sentences.append("There is no other method to compare with.")
    strongest = next((v for v in Verdict if v in verdicts.values()), Verdict.MISSING)
    heading = _heading(shift, strongest, having(Verdict.DIFFERENT), names, name)
    return Finding(heading, sentences, strongest)


def link_finding(
    runs: pd.DataFrame,
    summary: pd.DataFrame,
    reward_sd: float,
    baseline: str,
    name: str,
    kappa_nats: float,
) -> Finding | None:
    """What the largest shift costs the baseline, paired by seed; None with a single shift.

    `runs`: table of `comparison.runs_at_kl`; `summary`: table of `comparison.summarise`, for the
    change of the same prompts; `reward_sd`: the reference's, the unit of the answer. Judged as a
    difference between methods is, over seeds and over prompts; it is one comparison, so there is
    nothing to correct.
    """
    n, low, high = runs["n"].max(), runs["shift"].min(), runs["shift"].max()
    if low == high:
        return None
    own = runs[(runs["method"] == baseline) & (runs["n"] == n)].set_index(["seed", "shift"])
    by_shift = own["reward"].unstack().reindex(columns=[low, high])
    by_seed = ((by_shift[high] - by_shift[low]) / reward_sd).to_numpy()
    change, p_seeds = t_interval(by_seed), t_test_p(by_seed)
    cell = summary.set_index(["method", "shift", "n"]).loc[(baseline, high, n)]
    row = {"seeds": change.count, "p_seeds": p_seeds, "p_seeds_holm": p_seeds}
    for end in ("low", "high"):
        interval = f"_sd_prompts_{end}_given_seeds"
        row[f"difference{interval}"] = cell[f"shift_change{interval}"]
    verdict = judge(row)
    start = f"From shift {low:g} to {high:g}, {name}'s reward at KL {kappa_nats:g}"
    heading = "Effect of the link: "
    if verdict is Verdict.MISSING:
        text = f"{start} cannot be compared: no seed reaches this KL at both shifts."
        return Finding(f"{heading}missing", [text], verdict)
    start = f"{start} changes by {_number(change.mean)} reference sd"
    if change.count == 1:
        text = f"{start} in the one seed, which says nothing about other training seeds."
        return Finding(f"{heading}one seed", [text], verdict)
    start = f"{start} ({_seeds(change.count)}, 95 % t interval {_range(change.low, change.high)})"
    prompts = _interval(row, "prompts", "_given_seeds")
    if verdict is Verdict.DIFFERENT:
        verb = "lowers" if change.mean < 0 else "raises"
        text = f"{start}; over prompts, given the seeds, {prompts}."
        return Finding(f"The shifted link {verb} {name}'s reward", [text], verdict)
    if verdict is Verdict.SUGGESTIVE:
        hint = f"{heading}a hint, not established"
        return Finding(hint, [f"{start}: {_why_a_hint(row)}."], verdict)
    text = f"{start}. The interval contains 0: with these seeds the effect is not established."
    if verdict is Verdict.THESE_POLICIES:
        text += f" The same prompts do change for the policies trained here ({prompts})."
    return Finding(f"{heading}not settled", [text], verdict)


def _level(own: pd.DataFrame, baseline: str, name: str) -> str:
    if baseline not in own.index or own.loc[baseline, "seeds"] == 0:
        return f"{name} has no value at this KL."
    row = own.loc[baseline]
    text = f"At KL {row['kappa_nats']:g} and n = {row['n']:,}, {name} gains {row['gain_sd']:.2f} reference sd over the reference"
    if row["seeds"] == 1:
        return f"{text} (one seed, no interval over seeds)."
    limits = _range(row["gain_sd_seeds_low"], row["gain_sd_seeds_high"])
    return f"{text} ({_seeds(row['seeds'])}, 95 % t interval {limits})."


def _why_a_hint(row: Mapping[str, float]) -> str:
    if _excludes_zero_over_prompts(row):
        return (
            "the interval over seeds excludes 0, but not after Holm's correction for the number "
            "of comparisons"
        )
    return (
        "the seeds agree, but over the evaluation prompts the difference cannot be told from 0 "
        f"({_interval(row, 'prompts', '_given_seeds')}); few seeds can agree by chance"
    )


def _excludes_zero_over_prompts(row: Mapping[str, float]) -> bool:
    low, high = (row[f"difference_sd_prompts_{end}_given_seeds"] for end in ("low", "high"))
    return bool(low > 0 or high < 0)


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
    room = max(
        abs(rows[method][f"difference_sd_seeds_{end}"])
        for method in methods
        if rows[method]["seeds"] > 1
        for end in ("low", "high")
    )
    return (
        f"Not distinguishable from {baseline} over training seeds: {_and(methods, names)} "
        f"(differences in reference sd with 95 % t intervals: {detail}). This is not evidence of "
        f"equality: the intervals leave room for differences of up to {room:.2f} sd."
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
    if pd.isna(low) or pd.isna(high):
        return "no interval"
    digits = 2 if high - low >= 0.1 else 3
    return f"[{_number(low, digits)}, {_number(high, digits)}]"


def _number(value: float, digits: int = 2) -> str:
    """Fixed decimals with a sign and a real minus."""
    # Adding 0.0 turns a rounded −0.0 into 0.0.
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{int(count)} seeds"


def _and(methods: list[str], names: Mapping[str, str]) -> str:
    shown = [names[method] for method in methods]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
