"""What the study pushes to the hub, on request."""

from typing import Any

from prefgrid.studies import base
from prefgrid.studies.base import Step
from prefgrid.studies.self_play import grid


def step(study: Any) -> Step:
    """Of all runs, what `publish.what` of the section names. ValueError if it is null."""
    if study.publish is None:
        raise ValueError(
            "self_play.publish is null: nothing says where to; allowed: {repo: owner/name, what: [policies, "
            "averages, published]}"
        )
    what, numbers = study.publish.what, range(1, study.iterations + 1)
    policies, data = [], []
    for _, run in grid.runs(study):
        if "policies" in what:
            policies += [base.manifest(grid.policy(run, number)) for number in numbers]
        if "averages" in what:
            policies.append(base.manifest(grid.averaged(run, study.iterations)))
        if "published" in what:
            data += [grid.published(run, number) for number in numbers]
    return Step({"policies": policies, "data": data}, {"repo": study.publish.repo})
