"""Accuracy by section, and the published scores of benchmarks, where a set of comparisons is one."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from prefgrid.comparisons.reward_bench import SECTIONS, section_scores
from prefgrid.statistics import reward_bench
from prefgrid.statistics.comparisons import TIE, correct
from prefgrid.statistics.intervals import Interval, wilson_interval
from prefgrid.statistics.reward_bench import Answered
from prefgrid.studies.pairwise_judges.measures import accuracy

# The sections of RewardBench 2; its total is the plain mean of these and of the Ties set.
BEST_OF_FOUR = ("Factuality", "Precise IF", "Math", "Safety", "Focus")
# Questions with several right answers, and the same with one.
TIED, SINGLE = "Ties/tied", "Ties/ref"
TIES = "Ties"
MEAN = "mean of sections"
COLUMNS = ("section", "measure", "count", "value", "low", "high")


def rows(
    found: pd.DataFrame, matrices: Callable[[], Mapping[int, np.ndarray]]
) -> list[dict[str, Any]]:
    """Rows of the table `sections` of one judge on one set, by COLUMNS; of a set without sections none.

    found: of `compared.with_logits`. matrices: row of the file → (l_ij − l_ji)/2, made where they are asked for.
    """
    by_section = dict(iter(found.groupby("section", sort=True)))
    if list(by_section) == [""]:
        return []
    measured = [*_accuracies(by_section), *_reward_bench(by_section)]
    return [*measured, *_reward_bench_2(by_section, matrices)]


def _accuracies(by_section: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    for section, own in by_section.items():
        yield _row(section, "accuracy", _accuracy(own))


def _reward_bench(by_section: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """RewardBench's four sections and their mean, of a set whose sections are its subsets. By the official
    code a tie is wrong."""
    accuracies = {name: _accuracy(own, tie=0.0).mean for name, own in by_section.items()}
    scores = section_scores(accuracies)
    for section, score in scores.items():
        yield _plain(section, "RewardBench", score)
    if len(scores) == len(SECTIONS):
        yield _plain(MEAN, "RewardBench", float(np.mean(list(scores.values()))))


def _reward_bench_2(
    by_section: Mapping[str, pd.DataFrame], matrices: Callable[[], Mapping[int, np.ndarray]]
) -> Iterator[dict[str, Any]]:
    """Best of four of each section, the Ties set's score, and the mean of the six."""
    if not by_section.keys() & {*BEST_OF_FOUR, TIED, SINGLE}:
        return
    scores, of_rows = {}, matrices()
    for section in BEST_OF_FOUR:
        if section not in by_section:
            continue
        won = []
        for row, own in by_section[section].groupby("row"):
            chosen, rejected = _sides(own)
            # Its own rule: one is chosen.
            won.append(reward_bench.best_of(of_rows[row], chosen[0], rejected))
        interval = wilson_interval(float(np.sum(won)), len(won))
        scores[section] = interval.mean
        yield _row(section, "best of four", interval)
    tied, single = (
        _answered(by_section[name], of_rows) if name in by_section else {}
        for name in (TIED, SINGLE)
    )
    if tied or single:
        scores[TIES] = reward_bench.ties_score(tied, single)
        yield _plain(TIES, "RewardBench 2", scores[TIES])
    if len(scores) == len(BEST_OF_FOUR) + 1:
        yield _plain(MEAN, "RewardBench 2", float(np.mean(list(scores.values()))))


def _answered(found: pd.DataFrame, matrices: Mapping[int, np.ndarray]) -> dict[str, Answered]:
    """Item, what the two questions with one content have in common, → scores of its answers."""
    answers = {}
    for row, own in found.groupby("row"):
        scores = reward_bench.mean_logits(matrices[row])
        chosen, rejected = _sides(own)
        answers[own["item"].iloc[0]] = Answered(scores[chosen], scores[rejected])
    return answers


def _sides(own: pd.DataFrame) -> tuple[list[int], list[int]]:
    """(chosen, rejected) responses of a row that has labels."""
    return sorted(set(own["first"])), sorted(set(own["second"]))


def _accuracy(own: pd.DataFrame, tie: float = TIE) -> Interval:
    return accuracy(correct(own["logit"].to_numpy(), own["probability"].to_numpy(), tie))


def _row(section: str, measure: str, interval: Interval) -> dict[str, Any]:
    values = (section, measure, interval.count, interval.mean, interval.low, interval.high)
    return dict(zip(COLUMNS, values, strict=True))


def _plain(section: str, measure: str, value: float) -> dict[str, Any]:
    """A score that has no interval."""
    return _row(section, measure, Interval(value, np.nan, np.nan, 0)) | {"count": np.nan}
