"""What a policy is trained on, from the files of a study: groups with the targets of its objective."""

from pathlib import Path
from typing import Any

from prefgrid.data import preferences
from prefgrid.files import reading, records

# Targets of one number a response → the field of a group's responses that holds it.
FIELDS = {"scores": "reward", "win_probabilities": "win_probability", "weights": "weight"}


def read(path: Path | str, targets: str) -> list[dict[str, Any]]:
    """{group, prompt_tokens, responses: [{tokens, …}], target} of every row, in the file's order.

    targets: as an objective's NEEDS names them. `labels`: a file of preferences, the target is z;
    `none`: groups of responses, the target is None; else groups with a number for each response.
    DataError naming the row that lacks it.
    """
    if targets == "labels":
        return preferences.groups(reading.read_jsonl(path, records.Preference, key="pair"))
    rows = reading.read_jsonl(path, records.Group, key="group")
    return [row | {"target": _target(path, row, FIELDS.get(targets))} for row in rows]


def _target(path: Path | str, row: dict[str, Any], name: str | None) -> list[float] | None:
    if name is None:
        return None
    try:
        return [float(response[name]) for response in row["responses"]]
    except (KeyError, TypeError, ValueError):
        raise reading.DataError(
            f"{path}, group {row['group']}: every response needs a number {name!r}"
        ) from None
