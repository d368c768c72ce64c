"""The studies' wiring objects, and what planning asks them, with errors that Snakemake cannot swallow.

An input function that raises is no error for Snakemake where the file above it exists: that then is a
source, and a finished run with a broken wiring has "nothing to be done". So what can be asked at the
start is asked there, and what only a cell shows ends the run.
"""

import re
import sys

from prefgrid.plan.load import ConfigError
from prefgrid.plan.schema import Config
from prefgrid.studies import registry
from prefgrid.studies.base import Step, Wiring

FIGURE = r"[a-z][a-z0-9_]*"
TABLE = r"[a-z][a-z0-9_]*\.(csv|parquet)"


def of(config: Config) -> dict[str, Wiring]:
    """Study → its wiring object; ConfigError saying what of a study's own code is wrong."""
    found = {}
    for study, package in config.packages.items():
        try:
            found[study] = registry.wiring(package, config)
            _check(found[study], study)
        # A study is anybody's code.
        except Exception as error:
            raise ConfigError(f"study {study!r} ({package}): {_words(error)}") from error
    return found


def step(wiring: Wiring, block: str, cell: str) -> Step:
    """What a job of one block is made from. A wiring that fails ends the process, with the reason."""
    try:
        answer = getattr(wiring, block)(cell)
        if not isinstance(answer, Step):
            raise TypeError(f"{type(answer).__name__} is no Step")
    except Exception as error:
        what = f"{block} of {cell!r}" if cell else block
        sys.exit(f"error: study {wiring.name!r}, {what}: {_words(error)}")
    return answer


def _check(wiring: Wiring, study: str) -> None:
    _ = wiring.sources  # refuses what `hub` leaves out
    _check_names("figures", wiring.figures, FIGURE, "curve")
    _check_names("gathers", wiring.gathers, TABLE, "evaluations.csv, metrics.parquet")
    _check_names("tables", wiring.tables, FIGURE, "summary")
    if wiring.tables and not registry.rules([study]):
        raise ValueError(
            f"tables {wiring.tables!r}: no rule makes them; allowed where rules/studies/{study}.smk "
            "does, else draw from gathered tables"
        )
    wiring.captions()
    for name in wiring.figures:
        wiring.figure(name)
    wiring.section()


def _check_names(what: str, names: tuple[str, ...], form: str, example: str) -> None:
    for name in names:
        if not re.fullmatch(form, name):
            raise ValueError(f"{what}: {name!r}; allowed: names such as {example}")


def _words(error: Exception) -> str:
    if isinstance(error, ValueError):
        return str(error)
    return f"{type(error).__name__}: {error}"
