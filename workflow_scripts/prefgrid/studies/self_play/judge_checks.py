"""Checks of who judges in the self-play study, and of whom."""

from collections.abc import Iterator
from typing import Any

from prefgrid.config import judging
from prefgrid.config.fields import Problem
from prefgrid.config.suggestions import allowed
from prefgrid.studies import checks
from prefgrid.studies.self_play.config import Config

STUDY = "self_play"


def _named(own: Config) -> Iterator[tuple[str, str]]:
    """(key, label) of every judge that the section names."""
    for place, row in enumerate(own.grid):
        for key in ("judge", "held_out_judge", "classes"):
            label = getattr(row, key)
            if label is not None:
                yield f"{STUDY}.grid.{place}.{key}", label
    for label in own.evaluation.scorers:
        yield f"{STUDY}.evaluation.scorers", label


def _the_judges_are_there(own: Config, config: Any) -> Iterator[Problem]:
    for key, label in _named(own):
        if label not in config.judges:
            yield key, f"unknown judge {label!r}; {allowed(label, config.judges)} (see judges)"
        elif config.world != "tiny" and config.judges[label].module.startswith(checks.TINY):
            yield (
                key,
                f"{label!r}: of the tiny world's language, and this is world: {config.world}; allowed: others",
            )


def _opinion(label: str, config: Any) -> Any:
    """What two judges share that say the same of responses, whatever they are called. Of one that asks a model
    that is the model: its options say how it is asked, and in which precision."""
    judge = config.judges.get(label)
    if judge is None:
        return label
    if judge.model is None:
        return judge.module, judge.all_options
    model = judging.fetched(config).get(judge.model, judge.model)
    return judge.module, model, judging.trained_on(config, judge)


def _policies_are_evaluated_by_another_judge(own: Config, config: Any) -> Iterator[Problem]:
    for place, row in enumerate(own.grid):
        if _opinion(row.judge, config) == _opinion(row.held_out_judge, config):
            yield (
                f"{STUDY}.grid.{place}.held_out_judge",
                f"{row.held_out_judge!r} is the judge that trains, and would find what it taught; allowed: "
                "another, of another model where it asks one",
            )


def _scores_are_scored(own: Config, config: Any) -> Iterator[Problem]:
    for key, label in _named(own):
        if key.endswith((".classes", ".scorers")):
            yield from checks.scores_responses(key, label, config)


JUDGES = (_the_judges_are_there, _policies_are_evaluated_by_another_judge, _scores_are_scored)
