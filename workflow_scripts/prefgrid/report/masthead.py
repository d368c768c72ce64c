"""What stands at the head of the page: which models and data, which run."""

from collections.abc import Mapping, Sequence
from typing import Any


def rows(
    sources: Sequence[Sequence[str]],
    name: str,
    folder: str,
    config_files: Sequence[str],
    provenance: Mapping[str, Any],
) -> list[tuple[str, str]]:
    """(label, value) rows. sources: rows about models and data; name, folder: the run's; config_files:
    their names, none known if the job was not started by Snakemake; provenance: `origin.summarise`."""
    return [
        *((label, text) for label, text in sources),
        ("Run", f"{name}, folder {folder}"),
        ("Config", " + ".join(config_files) or "unknown"),
        ("Records", span(provenance["finished"])),
        ("Code", ", ".join(provenance["commits"])),
    ]


def span(finished: Sequence[str]) -> str:
    """From the first to the last time, year-month-day and hour:minute: the second date only if it is
    another."""
    if not finished:
        return "of unknown date"
    (first_day, first_time), (last_day, last_time) = (
        (time[:10], time[11:16]) for time in (finished[0], finished[-1])
    )
    end = last_time if first_day == last_day else f"{last_day} {last_time}"
    start = f"{first_day} {first_time}"
    return f"{start} UTC" if start.endswith(end) else f"{start} to {end} UTC"
