"""A dataset of somebody else's: a question with one answer a row, none of them scored."""

from pathlib import Path

from prefgrid.data import lines, misfits
from prefgrid.data.instructions import Completion, Instruction, Instructions

SOURCE = "nobody/questions"
FIELDS = ("question", "answer")


def read(path: Path | str, bad_row_share: float) -> Instructions:
    """A row without a question is bad."""
    rows, skipped = [], []
    for line in lines.read(path):
        if line.row is None:
            skipped.append(line.problem)
        elif lines.is_text(line.row["question"]) and line.row["question"]:
            rows.append(Instruction(line.row["question"], (Completion(line.row["answer"], None),)))
        else:
            named = misfits.named(line.where, "question", "text", line.row["question"])
            skipped.append(named)
    misfits.check_share(path, len(rows), skipped, bad_row_share)
    return Instructions(tuple(rows), tuple(skipped))
