"""What a policy is trained on, from the files of a study: groups with the targets of its objective."""

import math
from pathlib import Path
from typing import Any

from prefgrid.data import preferences
from prefgrid.files import reading, records, store

# Targets of one number a response → the field of a group's responses that holds it.
FIELDS = {
    "scores": "reward",
    "win_probabilities": "win_probability",
    "pair_probabilities": "pair_probability",
    "weights": "weight",
}
SAMPLING = "sampling_token_logps"


def read(path: Path | str, targets: str, sampling_logps: bool = False) -> list[dict[str, Any]]:
    """{group, prompt_tokens, responses: [{tokens, …}], target, sampling_logps} of every row, in the
    file's order.

    targets: as an objective's NEEDS names them. `labels`: a file of preferences, or of groups of two
    responses that have a label, the target is z; `none`: groups of responses, the target is None; else
    groups with a number for each response.
    sampling_logps: whether the objective needs what responses were drawn with: a sum over its tokens
    for each, float64 nats. Where it does not, they are there if all responses have them, else None.
    DataError naming the row that lacks what is asked for.
    """
    if targets == "labels" and not _holds_groups(path):
        rows = preferences.groups(reading.read_jsonl(path, records.Preference, key="pair"))
    else:
        rows = reading.read_jsonl(path, records.Group, key="group")
        target = _label if targets == "labels" else _numbers
        rows = [row | {"target": target(path, row, FIELDS.get(targets))} for row in rows]
    known = sampling_logps or all(
        SAMPLING in response for row in rows for response in row["responses"]
    )
    return [row | {"sampling_logps": _sampling_logps(path, row) if known else None} for row in rows]


def _holds_groups(path: Path | str) -> bool:
    """By its first row, which has responses as a group or two of them as a pair."""
    return "responses" in next(store.iterate_jsonl(path), {})


def _label(path: Path | str, row: dict[str, Any], _: None) -> float:
    label, count = row.get("z"), len(row["responses"])
    if count != 2 or type(label) is not int or label not in (0, 1):
        raise reading.DataError(
            f"{path}, group {row['group']}: {count} responses and the label z = {label!r}; a group that "
            "labels train needs two responses and z, 1 where the second is the better, else 0"
        )
    return float(label)


def _numbers(path: Path | str, row: dict[str, Any], name: str | None) -> list[float] | None:
    if name is None:
        return None
    try:
        return [float(response[name]) for response in row["responses"]]
    except (KeyError, TypeError, ValueError):
        raise reading.DataError(
            f"{path}, group {row['group']}: every response needs a number {name!r}"
        ) from None


def _sampling_logps(path: Path | str, row: dict[str, Any]) -> list[float]:
    if not all(SAMPLING in response for response in row["responses"]):
        raise reading.DataError(
            f"{path}, group {row['group']}: every response needs {SAMPLING!r}, which are sampled with "
            "decoding.log_probs"
        )
    return [math.fsum(response[SAMPLING]) for response in row["responses"]]
