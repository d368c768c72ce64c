"""Findings of the study in sentences, made from its tables and claiming no more.

Of one seed intervals are over prompts, for the policies as they were trained, and nothing is said of other
seeds; of several they are t intervals over seeds.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from prefgrid.report.blocks import interval, not_a_number, number
from prefgrid.report.words import Finding, listing, seeds
from prefgrid.statistics.intervals import LEVEL, holm, t_test_p
from prefgrid.statistics.verdict import Verdict, judge_over_seeds_and_prompts, strongest
from prefgrid.studies.self_play.names import display_name, judge_name, run_name

DIGITS = 3
ONE_SEED = "Trained with one seed each: intervals are over prompts and say nothing of other training seeds."
Row = Mapping[str, Any]
# What is tested of the last iterates → its value if there is nothing to find.
TESTED = {"win_base": 0.5, "judge_gap": 0.0}
# What names a policy, but for its seed.
KEYS = ["method", "judge", "iteration", "average"]


def cells(iterations: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """One row a policy of a (method, judge): values with ends `…_low/high` over prompts where there is one seed,
    over seeds where there are several; and of the last iterates, for each name of TESTED, `…_p_holm`: whether it has
    that value, after Holm's correction over all of them. Both are tables of the study."""
    grouped = iterations.groupby(KEYS)
    single = grouped["seed"].transform("nunique") == 1
    several = summary[summary["seeds"] > 1]
    for name, none in TESTED.items():
        p = grouped[name].agg(lambda values, none=none: t_test_p(values.to_numpy() - none))
        several = several.join(p.rename(f"{name}_p"), on=KEYS)
    found = pd.concat([iterations[single].assign(seeds=1), several], ignore_index=True)
    last = ~found["average"].astype(bool) & (found["iteration"] == found["iteration"].max())
    corrected = {f"{name}_p_holm": holm(found[f"{name}_p"].where(last)) for name in TESTED}
    return found.assign(**corrected)


def against_the_base(found: pd.DataFrame, rows: Sequence[Row]) -> Iterator[Finding]:
    """Whether the last iterates beat the base, a finding a row of the grid; found: `cells`."""
    for row in rows:
        own = _iterates(found, row)
        last = own[own["iteration"] == own["iteration"].max()].to_dict("records")
        shown = [one for one in last if one["win_base_p_holm"] < 1 - LEVEL]
        better = [display_name(one["method"]) for one in shown if one["win_base_low"] > 0.5]
        worse = [display_name(one["method"]) for one in shown if one["win_base_high"] < 0.5]
        sentences = [f"{listing([_won(one) for one in last])}."]
        sentences += [_steps(policies) for _, policies in own.groupby("method", sort=False)]
        sentences.append(
            "The heading holds after Holm's correction over all last iterates; intervals are of one comparison each."
        )
        if any(one["seeds"] == 1 for one in last):
            sentences.append(ONE_SEED)
        yield Finding(
            f"Trained by {judge_name(row['judge'])}, judged by {judge_name(row['held_out_judge'])}: "
            f"{_beats(better, worse, len(last))}",
            sentences,
            "measured",
        )


def at_equal_kl(equal_kl: pd.DataFrame, baseline: str) -> Iterator[Finding]:
    """Which method is ahead at one KL to the base, a finding a κ at which any are compared. equal_kl: of the
    study."""
    for _, rows in equal_kl.groupby("kappa_nats", sort=False):
        compared = rows[rows["baseline"].notna()].to_dict("records")
        if compared:
            yield _at_one_kl(rows.to_dict("records"), compared, baseline)


def _at_one_kl(rows: Sequence[Row], compared: Sequence[Row], baseline: str) -> Finding:
    verdicts = [_verdict(one) for one in compared]
    kappa = f"KL {compared[0]['kappa_nats']:g}"
    strong, start = strongest(verdicts), display_name(baseline)
    heading = {
        Verdict.DIFFERENT: f"At {kappa} methods differ from {start}",
        Verdict.SUGGESTIVE: f"At {kappa}: hints of differences to {start}, not established",
        Verdict.THESE_POLICIES: f"At {kappa} some policies trained here differ from {start}'s",
        Verdict.MISSING: f"At {kappa} nothing can be compared",
    }.get(strong, f"At {kappa} no method can be told apart from {start}")
    sentences = [f"{_gap(one, verdict)}." for one, verdict in zip(compared, verdicts, strict=True)]
    wins = [
        f"{run_name(one['method'], one['judge'])} {number(one['win'], DIGITS)}"
        for one in rows
        if not not_a_number(one["win"])
    ]
    if wins:
        sentences.append(f"Win rates against the base there: {listing(wins)}.")
    short = [
        f"{run_name(one['method'], one['judge'])} (KL {number(one['kl_reached_nats'])})"
        for one in rows
        if one["seeds_missing"]
    ]
    if short:
        sentences.append(f"Not every run gets as far as {kappa}: {listing(short)}.")
    sentences.append(
        "At one iteration methods are at different KLs, and so not compared. Intervals over prompts, 95 %, paired; "
        "Holm's correction covers all KLs, judges and methods."
    )
    return Finding(heading, sentences, strong)


def of_selection(selected: pd.DataFrame) -> Finding | None:
    """Which iterations were chosen; None where the last ones are the result. selected: of the study."""
    best = selected[selected["select"] == "best"].to_dict("records")
    if not best:
        return None
    told = [
        f"{run_name(one['method'], one['judge'])}, seed {one['seed']}: iteration {one['iteration']}, win rate "
        f"{number(one['win_base'], DIGITS) or 'not known'}"
        for one in best
    ]
    return Finding(
        "Chosen by the held-out judge",
        [
            f"{'; '.join(told)}.",
            "Each rate is of one half of the prompts for the iteration that the other half chose, and on average of "
            "both: prompts that choose flatter what they chose.",
        ],
        "measured",
    )


def _iterates(found: pd.DataFrame, row: Row) -> pd.DataFrame:
    """A row's iterates from 1 on, method by method in its order."""
    own = found[(found["judge"] == row["judge"]) & (found["iteration"] > 0)]
    own = own[~own["average"].astype(bool)]
    return own.sort_values(
        ["method", "iteration"],
        key=lambda column: column.map(row["methods"].index) if column.name == "method" else column,
    )


def _won(one: Row) -> str:
    ends = interval(one["win_base_low"], one["win_base_high"], DIGITS) or "(no interval)"
    over = "" if one["seeds"] == 1 else f", {seeds(one['seeds'])}"
    return (
        f"{display_name(one['method'])} wins {number(one['win_base'], DIGITS)} {ends} of its comparisons with the base "
        f"at KL {number(one['kl_base_nats'])} nats{over}"
    )


def _beats(better: Sequence[str], worse: Sequence[str], count: int) -> str:
    if len(better) == count:
        return (
            "every last iterate beats the base" if count > 1 else "the last iterate beats the base"
        )
    if not better and not worse:
        return "no last iterate is shown to beat the base"
    parts = [
        f"{listing(names)} {words}{'s' if len(names) == 1 else ''} {end}"
        for names, words, end in ((better, "beat", "the base"), (worse, "lose", "to the base"))
        if names
    ]
    return ", ".join(parts)


def _steps(policies: pd.DataFrame) -> str:
    """Whether each iterate beats the one before."""
    name = display_name(policies["method"].iloc[0])
    told = [
        f"{one['iteration']:.0f} {number(one['win_previous'], DIGITS)} "
        f"{interval(one['win_previous_low'], one['win_previous_high'], DIGITS) or '(no interval)'}"
        for one in policies.to_dict("records")
    ]
    rising = policies["win_previous_low"] > 0.5
    falling = policies["win_previous_high"] < 0.5
    start = (
        f"{name} rises at every iteration"
        if rising.all()
        else f"{name} loses to the iterate before at iteration "
        f"{listing([f'{number:.0f}' for number in policies.loc[falling, 'iteration']])}"
        if falling.any()
        else f"{name} is not shown to rise at every iteration"
    )
    return f"{start}; against the one before: {', '.join(told)}."


def _verdict(one: Row) -> Verdict:
    """Of a row of `equal_kl`, by the rule for differences over seeds and over prompts."""
    ends = {
        f"difference_sd_prompts_{end}_given_seeds": one[f"difference_prompts_{end}_given_seeds"]
        for end in ("low", "high")
    }
    return judge_over_seeds_and_prompts({**one, **ends, "seeds": one["seeds_compared"]})


def _gap(one: Row, verdict: Verdict) -> str:
    names = f"{run_name(one['method'], one['judge'])} minus {display_name(one['baseline'])}"
    if verdict is Verdict.MISSING:
        return f"{names}: missing, as no seed reaches this KL with both"
    ends = [one[f"difference_prompts_{end}_given_seeds"] for end in ("low", "high")]
    over_seeds = interval(
        one["difference_seeds_low"], one["difference_seeds_high"], DIGITS, signed=True
    )
    words = {
        Verdict.DIFFERENT: "over seeds and over prompts",
        Verdict.SUGGESTIVE: "a hint: over seeds before Holm's correction alone",
        Verdict.THESE_POLICIES: "for the policies trained here",
        Verdict.UNDECIDED: "not to be told from 0",
    }
    return (
        f"{names}: {number(one['difference'], DIGITS, signed=True)} "
        f"{interval(*ends, DIGITS, signed=True) or '(no interval)'}"
        + (f", over seeds {over_seeds}" if over_seeds else "")
        + f", {words[verdict]}"
    )
