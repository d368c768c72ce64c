"""A dataset of somebody else's: a question with one answer a row, none of them scored."""

from pathlib import Path

from prefgrid.data import misfits
from prefgrid.data.instructions import Completion, Instruction, Instructions
from prefgrid.files import store

SOURCE = "nobody/questions"
FIELDS = ("question", "answer")


def read(path: Path | str, bad_row_share: float) -> Instructions:
    """A row without a question is bad."""
    rows, skipped = [], []
    for number, raw in enumerate(store.iterate_jsonl(path), start=1):
        if raw["question"]:
            rows.append(Instruction(raw["question"], (Completion(raw["answer"], None),)))
        else:
            where = f"{path}, line {number}"
            skipped.append(misfits.named(where, "question", "text", raw["question"]))
    misfits.check_share(path, len(rows), skipped, bad_row_share)
    return Instructions(tuple(rows), tuple(skipped))
