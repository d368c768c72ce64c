"""What is measured of one run of self-play, put together from its policies' samples and contests.

A policy is a `Place`: the number of its iteration, 0 for the base, and whether it is the average of all.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from prefgrid import seeding
from prefgrid.statistics import cross_fitting, exploitability, win_rate
from prefgrid.statistics.bootstrap import expanded_level, percentile_interval, resample_weights
from prefgrid.statistics.prompt_means import over_prompts
from prefgrid.studies.self_play import measures
from prefgrid.studies.self_play.contests import Contest
from prefgrid.studies.self_play.measures import Groups

PROMPT_COLUMNS = ("kl_base_nats", "win_base", "training_win_base")


class Place(NamedTuple):
    iteration: int
    average: bool


# Of each policy but the base: by the judge, one of `measures.JUDGES`.
Contests = Mapping[Place, Mapping[str, Contest]]


def places(iterations: int, *, average: bool) -> list[Place]:
    """The base, iterates 1 to T, and their average where there is one."""
    found = [Place(number, average=False) for number in range(iterations + 1)]
    return [*found, Place(iterations, average=True)] if average else found


def of_policy(
    place: Place, groups: Groups, base: Groups, contests: Contests
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Its row of the table `iterations`, and of each prompt its PROMPT_COLUMNS."""
    row: dict[str, Any] = {**place._asdict(), "prompts": len(groups)}
    row |= measures.of_samples(groups)
    if place.iteration:
        to = ("base",) if place.average else ("base", "previous")
        previous = None if place.average else place.iteration - 1
        lengths = measures.characters(groups), measures.characters(base)
        row |= measures.of_kl(groups, to)
        row |= measures.of_wins(contests[place], previous, *lengths)
        kl = measures.kl_nats(groups, "base")
        rates = [win_rate.by_prompt(contests[place][judge].against(0)) for judge in measures.JUDGES]
    else:
        row |= measures.of_the_base()
        kl = np.zeros(len(groups))
        rates = [np.full(len(groups), 0.5)] * 2
    columns = dict(zip(PROMPT_COLUMNS, (kl, *rates), strict=True))
    ids = [group["prompt_id"] for group in groups]
    return row, pd.DataFrame({**place._asdict(), "prompt_id": ids, **columns})


def of_contests(contests: Contests) -> list[dict[str, Any]]:
    """Rows of the table `contests`: every iterate against every one before it, the base among them."""
    rows = []
    for place, by_judge in contests.items():
        for opponent in range(0 if place.average else place.iteration):
            row: dict[str, Any] = {"iteration": place.iteration, "opponent": opponent}
            for judge, contest in by_judge.items():
                rates = win_rate.by_prompt(contest.against(opponent))
                row |= measures.ends(f"{judge}win", rates, 0, 1)
            rows.append(row)
    return rows


def of_classes(
    scores: np.ndarray, found: Sequence[Place], base_logits: np.ndarray
) -> tuple[list[dict[str, Any]], list[dict[str, float]]]:
    """Rows of the table `classes`, and of each policy its exploitability and how that differs from the base's,
    with intervals of resampled prompts.

    scores: [policies, P, S], the numbers of classes, the base first. base_logits: [P, S, S] by the held-out judge
    of the base's samples among themselves. The probabilities that one class beats another are of these alone, so
    that all runs of that judge have the same. ValueError for a number that is no class's.
    """
    wrong = scores[(scores != np.floor(scores)) | (scores < 0)]
    if wrong.size:
        raise ValueError(
            f"a response is of class {wrong[0]:g}; allowed: whole numbers from 0, as scores of the judge `classes`"
        )
    classes = scores.astype(int)
    count, prompts = int(classes.max()) + 1, classes.shape[1]
    totals, seen = exploitability.meetings(classes[0], base_logits, count)
    # The prompts as they are, and resampled.
    weights = resample_weights(prompts, seeding.stream(0, "prompt bootstrap"))
    weights = np.vstack([np.full((1, prompts), 1 / prompts), weights])
    against = exploitability.beats(
        *(np.tensordot(weights, sums, axes=1) for sums in (totals, seen))
    )
    # Classes that met in no prompt of a resample: else the best answer to a policy would be missing there.
    against = np.where(np.isnan(against), against[0], against)
    shares = [weights @ exploitability.shares(own, count) for own in classes]
    exploited = [exploitability.exploitability(own, against) for own in shares]
    rows = [
        {**place._asdict(), "class": number, "share": share}
        for place, own in zip(found, shares, strict=True)
        for number, share in enumerate(own[0])
    ]
    return rows, [
        _resampled("exploitability", own, prompts)
        | _resampled("exploitability_change", own - exploited[0], prompts)
        for own in exploited
    ]


def _resampled(name: str, values: np.ndarray, prompts: int) -> dict[str, float]:
    """A value, the first, with the interval of its replicates, all others."""
    found = percentile_interval(values[1:], expanded_level(prompts))
    return {name: float(values[0]), f"{name}_low": found.low, f"{name}_high": found.high}


def of_targets(summary: Mapping[str, Any]) -> dict[str, float]:
    """What the targets of an iterate were made of: of their summary `rows`, `responses` and what was dropped."""
    dropped = {f"dropped_{reason}": count for reason, count in summary["dropped"].items()}
    return {f"targets_{name}": summary[name] for name in ("rows", "responses")} | dropped


def selection(select: str, contests: Contests, ids: Sequence[str]) -> dict[str, Any]:
    """Which iterate is the result, `last` or `best`, and its win rate against the base by the held-out judge.
    Of the best the rate is cross-fitted, since the prompts that chose it flatter it. None: not known."""
    iterates = [by_judge[""] for place, by_judge in contests.items() if not place.average]
    wins = np.array([win_rate.by_prompt(contest.against(0)) for contest in iterates])
    best = select == "best"
    number = cross_fitting.best(wins) + 1 if best else len(iterates)
    values = (
        cross_fitting.cross_fitted(wins, cross_fitting.halves(ids)) if best else wins[number - 1]
    )
    mean, low, high, _ = over_prompts(values, 0, 1)
    rate = {"win_base": mean, "win_base_low": low, "win_base_high": high}
    known = {name: None if np.isnan(value) else value for name, value in rate.items()}
    return {"iteration": number, "select": select, "cross_fitted": best, **known}
