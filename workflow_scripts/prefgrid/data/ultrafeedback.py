"""Reads files in UltraFeedback's schema (Cui et al., arXiv 2310.01377; openbmb/UltraFeedback).

The tiny world writes such a file and the hub world downloads one; both are read here.
"""

import reprlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefgrid.files import store


@dataclass(frozen=True)
class Completion:
    """One response to an instruction; score is None where the annotators left none."""

    response: str
    score: float | None


@dataclass(frozen=True)
class Instruction:
    """One usable row of the dataset."""

    prompt: str
    completions: tuple[Completion, ...]


@dataclass(frozen=True)
class Instructions:
    """All usable rows, and what was left out: one message a bad row."""

    rows: tuple[Instruction, ...]
    skipped: tuple[str, ...]


def read(path: Path | str, bad_row_share: float) -> Instructions:
    """Read a JSONL file in UltraFeedback's schema.

    A row that does not fit is skipped and counted, with file, line and field named; if more than
    `bad_row_share` of all rows are bad, DataError. A truncated or non-JSON file is always an error.
    """
    rows: list[Instruction] = []
    skipped: list[str] = []
    for number, raw in enumerate(store.iterate_jsonl(path), start=1):
        problem = _problem(raw)
        if problem:
            skipped.append(f"{path}, line {number}: {problem}")
        else:
            rows.append(Instruction(raw["instruction"], tuple(_completions(raw))))
    total = len(rows) + len(skipped)
    if total == 0:
        raise store.DataError(f"{path}: holds no rows")
    if len(skipped) > bad_row_share * total:
        raise store.DataError(
            f"{len(skipped)} of {total} rows do not fit; allowed share (data.bad_row_share): "
            f"{bad_row_share}. First: {skipped[0]}"
        )
    for message in skipped[:5]:
        store.log(f"skipped: {message}")
    return Instructions(tuple(rows), tuple(skipped))


def _problem(raw: dict[str, Any]) -> str | None:
    """What is wrong with a row, or None."""
    instruction = raw.get("instruction")
    if not _is_text(instruction) or not instruction.strip():
        return f"field 'instruction' must be a non-empty string, found {reprlib.repr(instruction)}"
    completions = raw.get("completions")
    if not isinstance(completions, list):
        return f"field 'completions' must be a list, found {type(completions).__name__}"
    for index, completion in enumerate(completions):
        if not isinstance(completion, dict) or not _is_text(completion.get("response")):
            return f"field 'completions[{index}].response' must be a string"
    return None


def _is_text(value: Any) -> bool:
    """Whether it is a string of real characters: JSON can also spell halves of one."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _completions(raw: dict[str, Any]) -> Iterator[Completion]:
    for completion in raw["completions"]:
        if completion["response"].strip():
            yield Completion(completion["response"], _score(completion))


def _score(completion: dict[str, Any]) -> float | None:
    # One hub revision had wrong overall scores, so the mean of the four aspect ratings leads.
    for field in ("fine-grained_score", "overall_score"):
        value = completion.get(field)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # False for NaN too. JSON's whole numbers know no limit, and some have no float.
        if is_number and abs(value) <= sys.float_info.max:
            return float(value)
    return None
