"""What the report shows of a run's configuration."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from prefgrid.plan.schema import Config
from prefgrid.studies import registry


def resolved(config: Config) -> str:
    """YAML of every key that could change a result, defaults included: a config file for the same run.

    Left out are `execution`, on which no result depends, and sections of studies that are not built.
    """
    unseen = {"execution", *(set(registry.BUILT_IN) - set(config.packages))}
    values = config.model_dump(mode="json", exclude=unseen)
    return yaml.dump(
        values, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=100
    )


def file_names(paths: Iterable[Path | str], *roots: Path) -> list[str]:
    """Paths below the first of `roots` that they are below, else their names alone; each once."""
    found = []
    for path in map(Path, paths):
        below = [root for root in roots if path.is_relative_to(root)]
        found.append(path.relative_to(below[0]).as_posix() if below else path.name)
    return list(dict.fromkeys(found))
