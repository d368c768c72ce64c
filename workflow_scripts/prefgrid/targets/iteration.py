"""An iteration's responses and what a judge says of them, put together from its files."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prefgrid.data import groups
from prefgrid.files import reading, records
from prefgrid.files.store import DataError
from prefgrid.judges import compared
from prefgrid.targets.worth import Compared

Row = Mapping[str, Any]


def read(
    responses: Sequence[Path], opponents: Sequence[Path], matrices: Path
) -> tuple[list[Row], list[Compared]]:
    """(rows, comparisons) of all prompts, in the order of the files.

    responses: the policy's own, one file or several with different prompts, which `matrices` numbers in this
    order. opponents: a file of each other policy, with responses to all of these prompts. DataError where the
    files do not belong together, ValueError naming a prompt that an opponent has not answered.
    """
    others = {
        str(path): reading.read_jsonl(path, records.Group, key="prompt_id") for path in opponents
    }
    sizes = [{row["prompt_id"]: len(row["responses"]) for row in rows} for rows in others.values()]
    table = reading.read_table(matrices)
    rows, found = [], []
    for number, path in enumerate(responses):
        own = reading.read_jsonl(path, records.Group, key="group")
        for row, whole, logits in zip(
            own,
            compared.with_opponents(own, others),
            _logits(matrices, table, number, own),
            strict=True,
        ):
            _require_as_many(f"{path}, group {row['group']}", whole, logits)
            rows.append(row)
            found.append(
                Compared(
                    logits,
                    [groups.said(one["tokens"], one["finish"]) for one in whole["responses"]],
                    own=len(row["responses"]),
                    others=tuple(size[row["prompt_id"]] for size in sizes),
                )
            )
    return rows, found


def _logits(
    path: Path, table: pd.DataFrame, file: int, rows: Sequence[Row]
) -> Iterable[np.ndarray]:
    try:
        return compared.raw_matrices(table, file, [row["prompt_id"] for row in rows])
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _require_as_many(where: str, row: Row, logits: np.ndarray) -> None:
    count = len(row["responses"])
    if count != len(logits):
        raise DataError(
            f"{where}: {count} responses, opponents' included, but the matrices compare {len(logits)}: they were "
            "made from other responses"
        )
