"""Checks of the section `toy_study` against the whole config."""

from collections.abc import Iterator
from typing import Any


def _methods_learn_from_scores(own: Any, config: Any) -> Iterator[tuple[str, str]]:
    from prefgrid.config import objectives

    for label in own.methods:
        targets = objectives.constants(config.methods[label].objective).needs["targets"]
        if targets != "scores":
            yield "toy_study.methods", f"{label!r} needs {targets}; this study offers scores"


CHECKS = (_methods_learn_from_scores,)
