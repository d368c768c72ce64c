"""The table of a judge's logits, and what it says of the comparisons of a data set.

A judge is asked in both orders: l_ij, response i shown first, and l_ji. Its logit of the comparison is
(l_ij − l_ji)/2, which is l_ij itself where l_ij = −l_ji; the position of a response has no part in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

Row = Mapping[str, Any]
COLUMNS = ("file", "row", "prompt_id", "first", "second", "logit", "antisymmetric")
# What a file's comparisons and a judge's logits have in common.
PAIR = ["row", "first", "second"]


def with_opponents(rows: Sequence[Row], opponents: Mapping[str, Sequence[Row]]) -> list[Row]:
    """`rows`, of groups, each with the responses of every file of `opponents` to its prompt behind its own.

    opponents: name of a file → its rows, one a prompt. ValueError naming a prompt that a file lacks.
    """
    found = [{**row, "responses": list(row["responses"])} for row in rows]
    for name, others in opponents.items():
        by_prompt = {row["prompt_id"]: row["responses"] for row in others}
        for row in found:
            if row["prompt_id"] not in by_prompt:
                raise ValueError(
                    f"{name}: has no responses to the prompt {row['prompt_id']}, {row['prompt']!r}; allowed: "
                    "opponents with responses to every prompt that is compared"
                )
            row["responses"] += by_prompt[row["prompt_id"]]
    return found


def frame(
    files: Sequence[tuple[Sequence[Row], Sequence[np.ndarray]]], *, antisymmetric: bool
) -> pd.DataFrame:
    """A row an ordered pair of different responses, by file, row, first and second: COLUMNS.

    files: each its rows {prompt_id, …} and a float32 [K, K] for each of them. `file` and `row` are numbers
    from 0; `logit` (float32) is l_ij of i = `first`, shown first, against j = `second`; `antisymmetric`: whether
    l_ij = −l_ji by the judge's construction.
    """
    parts = []
    for file, (rows, matrices) in enumerate(files):
        for number, (row, matrix) in enumerate(zip(rows, matrices, strict=True)):
            first, second = np.nonzero(~np.eye(len(matrix), dtype=bool))
            parts.append((file, number, row["prompt_id"], first, second, matrix[first, second]))
    sizes = [len(part[3]) for part in parts]
    return pd.DataFrame(
        {
            **{
                name: np.repeat([part[place] for part in parts], sizes)
                for place, name in enumerate(COLUMNS[:3])
            },
            **{
                name: np.concatenate([part[place] for part in parts])
                for place, name in enumerate(COLUMNS[3:6], start=3)
            },
            "antisymmetric": antisymmetric,
        }
    ).astype({"prompt_id": str, "logit": np.float32})


def comparisons(rows: Iterable[Row]) -> pd.DataFrame:
    """One row a comparison of `records.Compared` rows: PAIR, `prompt_id, section, item, probability`, and
    `length_difference` in characters, first minus second."""
    found = []
    for number, row in enumerate(rows):
        lengths = [len(response["text"]) for response in row["responses"]]
        shared = {
            "row": number,
            "prompt_id": row["prompt_id"],
            "section": row["section"],
            "item": row.get("item", ""),
        }
        found += [
            {
                **shared,
                "first": one["first"],
                "second": one["second"],
                "probability": float(one["probability"]),
                "length_difference": lengths[one["first"]] - lengths[one["second"]],
            }
            for one in row["comparisons"]
        ]
    return pd.DataFrame(found)


def with_logits(found: pd.DataFrame, table: pd.DataFrame, file: int) -> pd.DataFrame:
    """`found` (of `comparisons`) with `there` l_ij, `back` l_ji and `logit`, (l_ij − l_ji)/2, in float64.

    table: of `frame`; `found` is of the rows that its file number `file` was made from. ValueError if the
    rows are of other prompts, or a comparison has no logit.
    """
    wanted = found.drop_duplicates("row").set_index("row")["prompt_id"]
    own = _of_the_same(table, file, wanted, "comparisons")
    logits = own.set_index(PAIR)["logit"].astype(np.float64)
    turned = found[["row", "second", "first"]]
    there, back = (
        logits.reindex(pd.MultiIndex.from_frame(pairs)).to_numpy()
        for pairs in (found[PAIR], turned)
    )
    missing = np.isnan(there) | np.isnan(back)
    if missing.any():
        pair = found.loc[missing, PAIR].iloc[0].to_dict()
        raise ValueError(f"the judge gave no logit for {pair}; allowed: logits of both orders")
    return found.assign(there=there, back=back, logit=(there - back) / 2)


def matrices(table: pd.DataFrame, file: int) -> dict[int, np.ndarray]:
    """Row of file number `file` → float64 [K, K] of (l_ij − l_ji)/2."""
    found = _by_row(table[table["file"] == file])
    return {row: (logits - logits.T) / 2 for row, logits in found.items()}


def raw_matrices(table: pd.DataFrame, file: int, prompt_ids: Sequence[str]) -> list[np.ndarray]:
    """float64 [K, K] of l_ij, 0 on the diagonal, of each row of file number `file`.

    ValueError unless its rows are of the prompts `prompt_ids`, in their order.
    """
    own = _of_the_same(table, file, pd.Series(prompt_ids, dtype=str), "responses")
    return list(_by_row(own).values())


def _of_the_same(table: pd.DataFrame, file: int, wanted: pd.Series, what: str) -> pd.DataFrame:
    """The file's part of the table; ValueError unless its rows have the prompt ids `wanted`, by row."""
    own = table[table["file"] == file]
    known = own.drop_duplicates("row").set_index("row")["prompt_id"]
    if known.to_dict() != wanted.to_dict():
        raise ValueError(
            f"file {file} of the matrices has {len(known)} prompts, and they are not the {len(wanted)} of "
            f"these {what} in their order: they were made from other data"
        )
    return own


def _by_row(own: pd.DataFrame) -> dict[int, np.ndarray]:
    return {int(row): _matrix(logits) for row, logits in own.groupby("row", sort=True)}


def _matrix(own: pd.DataFrame) -> np.ndarray:
    count = int(own["first"].max()) + 1
    found = np.zeros((count, count))
    found[own["first"], own["second"]] = own["logit"].astype(np.float64)
    return found
