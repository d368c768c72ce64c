"""Findings of the study in sentences, made from its tables and claiming no more.

Intervals are over comparisons or prompts, for the models as they were trained: of seeds that were not
trained nothing is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from prefgrid.report import columns
from prefgrid.report.blocks import interval, number
from prefgrid.report.words import Finding, listing, seeds
from prefgrid.statistics.intervals import LEVEL
from prefgrid.statistics.intransitivity import CHANCE

DIGITS = 3
P_VALUE = columns.p_value("p", "p_holm")


def of_sets(
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    names: Mapping[str, str],
    models: Sequence[str],
    baseline: str | None,
) -> Iterator[Finding]:
    """What the trained models make of each set; `summary`, `differences`: the study's tables. names: label →
    display name."""
    for on, own in summary.groupby("on", sort=False):
        trained = own[own["judge"].isin(models)]
        if trained.empty:
            continue
        against = differences[(differences["on"] == on) & differences["judge"].isin(models)]
        yield Finding(
            f"{on}: {_heading(against, names, baseline)}",
            [
                *_ceiling(own),
                f"{listing([_accuracy(rows, names) for _, rows in trained.groupby('judge', sort=False)])}, "
                f"of {own['decided'].iloc[0]:,} comparisons of {own['prompts'].iloc[0]:,} prompts.",
                *(_difference(row, names) for row in against.to_dict("records")),
                *_probabilities(trained, names),
            ],
            "measured",
        )


def trapped(
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    names: Mapping[str, str],
    dimensions: Mapping[str, int],
) -> Finding | None:
    """Models of more than a score that are not shown to beat the baseline where preferences run in circles;
    None if there is none. dimensions: label of a trained model → its dimension. Only a model of one
    dimension, trained on the same comparisons, shows what a score could learn of them: beside any other
    baseline nothing is said."""
    planes = [label for label, dimension in dimensions.items() if dimension > 1]
    scores = [label for label, dimension in dimensions.items() if dimension == 1]
    circular = [on for on, rows in summary.groupby("on") if _runs_in_circles(rows.iloc[0])]
    own = differences[
        differences["judge"].isin(planes)
        & differences["on"].isin(circular)
        & differences["baseline"].isin(scores)
    ]
    stuck = own[own["p_holm"].notna() & ~_better(own)]
    if stuck.empty:
        return None
    listed = [f"{names[row['judge']]} on {row['on']}" for row in stuck.to_dict("records")]
    baseline = names[stuck["baseline"].iloc[0]]
    return Finding(
        f"{listing(listed)}: no circle is shown to be learned",
        [
            f"It is not shown to get more comparisons right than {baseline}, although these preferences run "
            "in circles.",
            "That can be a trap of training: where embeddings of all kinds are nearly equal, every response of a "
            "ring wins as often as it loses, and the gradient vanishes. A temperature that falls while it "
            "trains (anneal), a longer training or another seed may leave it.",
        ],
        "warning",
    )


def of_order(summary: pd.DataFrame, names: Mapping[str, str]) -> Finding | None:
    """Judges whose verdict depends on which response is shown first; None where none does."""
    turned = summary[summary["order_flipped_share"] > 0]
    if turned.empty:
        return None
    sentences = [
        f"{names[row['judge']]} on {row['on']}: {row['order_flipped_share']:.1%} of the verdicts turn; "
        f"P_ij + P_ji − 1 is {number(row['order_excess_mean'], DIGITS, signed=True)} on average.".replace(
            "%", " %"
        )
        for row in turned.to_dict("records")
    ]
    sentences.append("Accuracies are of the mean of both orders.")
    return Finding("Some verdicts depend on which response is shown first", sentences, "measured")


def of_circles(
    summary: pd.DataFrame, names: Mapping[str, str], samples: Mapping[str, int] | None
) -> Finding | None:
    """Circles among the reference's own responses; None where none were sampled."""
    if samples is None:
        return None
    # A judge that is not trained here says the same of them whatever else it is measured on.
    summary = summary[summary["seed"].notna() | ~summary.duplicated("judge")]
    circular = summary[summary["circular_share"] > 0]
    told = [_circular(row, names) for row in circular.to_dict("records")]
    none = summary.groupby("judge", sort=False)["circular_share"].max()
    straight = [names[judge] for judge, share in none.items() if share == 0]
    above = circular["circular_share_low"] > 0
    heading = (
        "Some judges rank the reference's responses in circles"
        if above.any()
        else "Circles among the reference's responses are not established"
        if len(circular)
        else "No judge ranks the reference's responses in circles"
    )
    sentences = [f"{listing(told)}."] if told else []
    if straight:
        sentences.append(f"{listing(straight)}: no circle.")
    sentences.append(
        f"Shares of triples of {samples['responses']} responses to each of {samples['prompts']} prompts, "
        f"with intervals over prompts; fair coins would give {CHANCE:g}, and scores have none."
    )
    return Finding(heading, sentences, "measured")


def _heading(against: pd.DataFrame, names: Mapping[str, str], baseline: str | None) -> str:
    """How the trained models differ from the baseline, by intervals after Holm's correction."""
    if baseline is None or against.empty or against["p_holm"].isna().any():
        return "accuracy of the preference models"
    better = [names[judge] for judge in against.loc[_better(against), "judge"]]
    lower = (against["p_holm"] < 1 - LEVEL) & (against["difference"] < 0)
    worse = [names[judge] for judge in against.loc[lower, "judge"]]
    if not better and not worse:
        return f"no preference model can be told apart from {names[baseline]}"
    parts = [
        f"{listing(found)} {'gets' if len(found) == 1 else 'get'} {word} comparisons right than "
        f"{names[baseline]}"
        for found, word in ((better, "more"), (worse, "fewer"))
        if found
    ]
    return ", and ".join(parts)


def _better(differences: pd.DataFrame) -> pd.Series:
    """Which are above the baseline, after Holm's correction."""
    return (differences["p_holm"] < 1 - LEVEL) & (differences["difference"] > 0)


def _runs_in_circles(row: Mapping[str, Any]) -> bool:
    """Whether no scores can say all that the preferences do, by a row of the summary; no where it is not known.
    Both are sums of the same numbers in another order."""
    return row["accuracy_most"] - row["accuracy_scalar_most"] > 1e-9


def _ceiling(own: pd.DataFrame) -> Iterator[str]:
    row = own.iloc[0]
    if _runs_in_circles(row):
        all_, scores = row["accuracy_most"], row["accuracy_scalar_most"]
        drawn = (
            ""
            if all_ == 1
            else f"; by the true probabilities, of which the labels were drawn, {number(all_, DIGITS)} can be "
            "right"
        )
        yield (
            f"These preferences run in circles: no scores of the responses agree with more than "
            f"{number(scores, DIGITS)} of them{drawn}."
        )


def _accuracy(rows: pd.DataFrame, names: Mapping[str, str]) -> str:
    first = rows.iloc[0]
    name = names[first["judge"]]
    if len(rows) == 1:
        ends = interval(first["accuracy_low"], first["accuracy_high"], DIGITS)
        return f"{name} gets {number(first['accuracy'], DIGITS)} {ends} right"
    low, high = (number(end, DIGITS) for end in (rows["accuracy"].min(), rows["accuracy"].max()))
    mean = number(rows["accuracy"].mean(), DIGITS)
    return f"{name} gets {mean} right ({low} to {high} in {seeds(len(rows))})"


def _difference(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    ends = interval(row["low"], row["high"], DIGITS, signed=True)
    p = P_VALUE.text(row)
    tested = f" {ends}, p = {p} after Holm's correction" if ends else " (no interval)"
    return (
        f"{names[row['judge']]} minus {names[row['baseline']]}: "
        f"{number(row['difference'], DIGITS, signed=True)}{tested.replace('= <', '<')}, paired over "
        f"{row['prompts']:,} prompts, for the models trained here."
    )


def _probabilities(trained: pd.DataFrame, names: Mapping[str, str]) -> Iterator[str]:
    """How far their probabilities are from the known ones, where there are such."""
    means = trained.groupby("judge", sort=False)["probability_error"].mean()
    if trained["probability_error"].notna().all():
        told = [f"{number(mean, DIGITS)} ({names[judge]})" for judge, mean in means.items()]
        yield f"Mean |P − P̂| to the known probabilities, calibrated: {listing(told)}."


def _circular(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    where = "" if pd.isna(row["seed"]) else f" of {row['on']}, seed {row['seed']:.0f}"
    ends = interval(row["circular_share_low"], row["circular_share_high"], DIGITS)
    share = number(row["circular_share"], DIGITS)
    return f"{names[row['judge']]}{where}: {share}" + (f" {ends}" if ends else "")
