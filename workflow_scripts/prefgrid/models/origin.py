"""Where others find the model that a policy's adapter goes on."""

from pathlib import Path
from typing import NamedTuple

from prefgrid.files import reading, records

# Beside a fetched model, and beside a reference that is one as it came.
FILE = "source.json"


class Base(NamedTuple):
    """What `from_pretrained` takes: a hub id at a commit, or a folder without one; None: nothing."""

    name: str | None
    revision: str | None


NOWHERE = Base(None, None)


def base(reference: Path | str) -> Base:
    """Of the reference in a folder: the hub's model if it is that one, else the folder as it is named
    here, which in a run is relative to the run's own folder.

    DataError if its source.json is damaged.
    """
    path = Path(reference) / FILE
    if path.is_file():
        source = reading.read_json(path, records.Source)
        if source["commit"] is not None:
            return Base(source["source"], source["commit"])
    return Base(str(reference), None)
