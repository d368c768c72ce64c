"""Which entries of `judges` a run can be wrong about."""

from collections.abc import Iterator

from prefgrid.config import judging
from prefgrid.config.fields import Unusable
from prefgrid.config.judging import Judge
from prefgrid.plan.schema import Config


def asked(config: Config) -> dict[str, Judge]:
    """Label → entry, of all but those that come with prefgrid, are as they came, and are asked by no study
    of the run: what does not fit them, another world's limits say, stops nobody."""
    ours, named = judging.ours(), set(_named(config))
    return {
        label: judge
        for label, judge in config.judges.items()
        if label in named or judge != ours.get(label)
    }


def _named(config: Config) -> Iterator[str]:
    """What the sections of the run's studies call `judge` and `judges`."""
    for study in config.packages:
        try:
            section = config.section(study)
            one, several = getattr(section, "judge", None), getattr(section, "judges", ())
        except Unusable:
            continue
        yield from several
        if one is not None:
            yield one
