"""Provenance of everything a report shows, summed up from the artifacts' own records."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from prefgrid.files import artifacts, reading, records
from prefgrid.report import costs

# Scripts that fetch.
FETCHING = ("fetch_model", "fetch_judge_model", "fetch_dataset")
# Folders of data whose datasets have names of their own.
COMPARISONS = "comparisons"


def ancestors(paths: Iterable[Path | str]) -> list[dict[str, Any]]:
    """Records of the artifacts that `paths` belong to and of all that these were made of.

    Follows the inputs of each record, so that leftovers of other runs do not count. Each record
    once, ordered by its place. Files without a record came from outside and end their branch.
    DataError naming a record that is damaged.
    """
    found: dict[Path, dict[str, Any]] = {}
    waiting = [Path(path) for path in paths]
    looked_at = set(waiting)
    while waiting:
        for place, record in _records(waiting.pop()):
            found[place] = record
            named = {Path(name) for group in record["inputs"].values() for name in group}
            waiting += named - looked_at
            looked_at |= named
    return [found[place] for place in sorted(found)]


def _records(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """(place, record) of the artifact that a file belongs to, if it has a record."""
    for place in artifacts.record_places(path):
        if place.is_file():
            record = reading.read_json(place, records.Provenance)
            # A record left by another artifact of this folder says nothing about this file.
            if artifacts.recorded(record, path) is not None:
                yield place, record


def commits(made: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Which commit of the hub was fetched: base_model, reward_model, dataset, judge_model <label> of
    further models of judges, and <label>_comparisons of what these read → its digits. made: records.

    From source.json beside what was fetched; what came from this machine is left out. DataError naming
    one that is damaged.
    """
    found = {}
    for record in made:
        if record["script"] in FETCHING:
            path = Path(next(iter(record["outputs"]))).with_name("source.json")
            source = reading.read_json(path, records.Source) if path.is_file() else None
            if source and source["commit"]:
                found[_called(record, path.parent)] = source["commit"]
    return found


def _called(record: dict[str, Any], folder: Path) -> str:
    """What the page calls a thing that was fetched."""
    if record["script"] == "fetch_model":
        return f"{record['spec']['name']}_model"
    if record["script"] == "fetch_judge_model":
        return f"judge_model {record['spec']['label']}"
    return f"{folder.name}_comparisons" if folder.parent.name == COMPARISONS else "dataset"


def summarise(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """From provenance records (one an artifact) to what the report's tables show.

    Returns `artifacts` (count), `steps` (`costs.steps`), `packages`
    (name, versions), `commits`, `devices`, `pythons`: sorted, each value once, so that a mixture is
    visible; `finished`: when the first and the last artifact was, in UTC, as text ([] if no record
    says).
    """
    packages: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for name, version in record["packages"].items():
            packages[name].add(version)
    # Records of older versions of this program have no time of day.
    finished = sorted(record["finished"] for record in records if "finished" in record)
    return {
        "artifacts": len(records),
        "steps": costs.steps(records),
        "packages": [(name, ", ".join(sorted(found))) for name, found in sorted(packages.items())],
        "commits": sorted({_short(record["git_commit"]) for record in records}),
        "devices": sorted({record["device"] for record in records}),
        "pythons": sorted({record["python"] for record in records}),
        "finished": finished[:1] + finished[1:][-1:],
    }


def _short(commit: str) -> str:
    """The first 12 digits of a commit, and its mark where the source was edited since."""
    digits, mark, word = commit.partition("+")
    return digits[:12] + mark + word
