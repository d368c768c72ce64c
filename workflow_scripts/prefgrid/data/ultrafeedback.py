"""Reads files in UltraFeedback's schema (Cui et al., arXiv 2310.01377; openbmb/UltraFeedback).

The tiny world writes such a file and the hub world downloads one; both are read here.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prefgrid.data import lines, misfits
from prefgrid.data.instructions import Completion, Instruction, Instructions

SOURCE = "openbmb/UltraFeedback"
FIELDS = ("instruction", "completions")


# Scales that completions are scored on. One hub revision had wrong overall scores, so the mean of the
# four aspect ratings leads.
SCALES = ("fine-grained_score", "overall_score")


def read(path: Path | str, bad_row_share: float) -> Instructions:
    """Read a JSONL file in UltraFeedback's schema.

    A row that does not fit is skipped and counted, with file, line and field named; if more than
    `bad_row_share` of all rows are bad, DataError. A truncated file is always an error.
    """
    rows: list[Instruction] = []
    skipped: list[str] = []
    for line in lines.read(path):
        if line.row is None:
            skipped.append(line.problem)
            continue
        misfit = _misfit(line.row)
        if misfit is not None:
            skipped.append(misfits.named(line.where, *misfit))
        else:
            completions = tuple(_completions(line.row["completions"]))
            rows.append(Instruction(line.row["instruction"], completions))
    misfits.check_share(path, len(rows), skipped, bad_row_share)
    return Instructions(tuple(rows), tuple(skipped))


def _misfit(raw: dict[str, Any]) -> tuple[str, str, Any] | None:
    """What `misfits.named` takes of a row that cannot be used: field, what it should be, value."""
    instruction = raw.get("instruction")
    if not lines.is_text(instruction) or not instruction.strip():
        return "instruction", "text", instruction
    completions = raw.get("completions")
    if not isinstance(completions, list):
        return "completions", "list", completions
    for index, completion in enumerate(completions):
        response = completion.get("response") if isinstance(completion, dict) else None
        if not lines.is_text(response):
            return f"completions[{index}].response", "string", response
    return None


def _completions(raw: Sequence[dict[str, Any]]) -> Iterator[Completion]:
    """Those that say something, all scored on one scale."""
    written = [completion for completion in raw if completion["response"].strip()]
    scores = _scores(written)
    for completion, score in zip(written, scores, strict=True):
        yield Completion(completion["response"], score, _ratings(completion.get("annotations")))


def _ratings(annotations: Any) -> dict[str, float]:
    """Those aspects whose rating is a number; the hub has them as text, some of them "N/A"."""
    notes = annotations if isinstance(annotations, dict) else {}
    given = {
        aspect: _number(_parsed(note.get("Rating")))
        for aspect, note in notes.items()
        if isinstance(note, dict)
    }
    return {aspect: rating for aspect, rating in given.items() if rating is not None}


def _parsed(rating: Any) -> Any:
    """A text as the number that it is, if it is one."""
    try:
        return float(rating) if isinstance(rating, str) else rating
    except ValueError:
        return None


def _scores(completions: Sequence[dict[str, Any]]) -> list[float | None]:
    """On the scale that most of a prompt's completions have, the first of equals; None where one of
    them lacks it. Numbers of two scales, to 5 and to 10, must not meet in a comparison."""
    scales = [[_number(completion.get(scale)) for completion in completions] for scale in SCALES]
    return max(scales, key=lambda scores: sum(score is not None for score in scores))


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # False for NaN too. JSON's whole numbers know no limit, and some have no float.
    return float(value) if is_number and abs(value) <= sys.float_info.max else None
