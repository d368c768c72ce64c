"""Reads files in UltraFeedback's schema (Cui et al., arXiv 2310.01377; openbmb/UltraFeedback).

The tiny world writes such a file and the hub world downloads one; both are read here.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefgrid.data import misfits
from prefgrid.data.instructions import Completion, Instruction, Instructions
from prefgrid.files import store

SOURCE = "openbmb/UltraFeedback"
FIELDS = ("instruction", "completions")


def read(path: Path | str, bad_row_share: float) -> Instructions:
    """Read a JSONL file in UltraFeedback's schema.

    A row that does not fit is skipped and counted, with file, line and field named; if more than
    `bad_row_share` of all rows are bad, DataError. A truncated or non-JSON file is always an error.
    """
    rows: list[Instruction] = []
    skipped: list[str] = []
    for number, raw in enumerate(store.iterate_jsonl(path), start=1):
        misfit = _misfit(raw)
        if misfit is not None:
            skipped.append(misfits.named(f"{path}, line {number}", *misfit))
        else:
            rows.append(Instruction(raw["instruction"], tuple(_completions(raw))))
    misfits.check_share(path, len(rows), skipped, bad_row_share)
    return Instructions(tuple(rows), tuple(skipped))


def _misfit(raw: dict[str, Any]) -> tuple[str, str, Any] | None:
    """What `misfits.named` takes of a row that cannot be used: field, what it should be, value."""
    instruction = raw.get("instruction")
    if not _is_text(instruction) or not instruction.strip():
        return "instruction", "text", instruction
    completions = raw.get("completions")
    if not isinstance(completions, list):
        return "completions", "list", completions
    for index, completion in enumerate(completions):
        response = completion.get("response") if isinstance(completion, dict) else None
        if not _is_text(response):
            return f"completions[{index}].response", "string", response
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
